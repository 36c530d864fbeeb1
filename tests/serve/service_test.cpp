#include "serve/service.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "serve/item_follower.hpp"
#include "serve/memory_store.hpp"
#include "serve/model_fixture.hpp"
#include "serve/openapi.hpp"
#include "serve/openapi_check.hpp"
#include "serve/similar_items.hpp"

namespace neume::serve {
namespace {

using OrderedJson = nlohmann::ordered_json;

/// What came back, with its body read.
struct Answer {
  int status = 0;
  Json body;
  http::Response response;

  std::string reason() const { return body["error"].is_object() ? body["error"]["reason"] : body["error"]; }
  std::vector<std::string> items() const {
    std::vector<std::string> ids;
    for (const Json& item : body["items"]) ids.push_back(item["item_id"]);
    return ids;
  }
};

/// A service over a small trained model, asked without sockets. Every answer is held to the OpenAPI document.
class ServiceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folders_ = new ModelFixture("service-test");
    const auto codebooks = folders_->make_codebooks("codebooks");
    folders_->make_ranker("ranker", folders_->encode(codebooks), ModelFixture::options());
    folders_->make_ranker("other", folders_->encode(codebooks), ModelFixture::options(RankerModel::din));
  }
  static void TearDownTestSuite() { delete folders_; }

  static ModelFolders model_folders(const std::string& name = "ranker") {
    return {folders_->folder() / name, folders_->folder() / "codebooks"};
  }

  ServiceTest() { open_models({{"default", model_folders(), 1.0}}); }

  void open_models(const std::vector<Variant>& variants) {
    models_ = std::make_unique<Models>(variants, ReadinessOptions{"default", 4, {}, {}}, store_);
    service_.open(*models_);
  }

  Answer ask(const std::string& method, const std::string& target, const std::string& body = "") {
    return ask(service_, method, target, body);
  }

  Answer ask(Service& service, const std::string& method, const std::string& target, const std::string& body = "",
             const std::string& authorization = "") {
    const std::size_t mark = target.find('?');
    const http::Request request{method,
                                target.substr(0, mark),
                                mark == std::string::npos ? "" : target.substr(mark + 1),
                                authorization,
                                "request-1",
                                body};
    std::optional<http::Response> response = service.answer_at_once(request);
    if (!response) response = service.answer(request);
    service.observe(request, *response, {0.001, 0.002});
    if (!response->route.empty()) {
      EXPECT_EQ(check_.problem_of(method, *response), "") << method << " " << target << " " << body << "\n"
                                                          << response->status << " " << response->body;
      seen_.insert(method + " " + response->route + " " + std::to_string(response->status));
    }
    Answer answer{response->status, {}, *response};
    if (response->content_type == "application/json") answer.body = Json::parse(response->body);
    return answer;
  }

  Answer rank(const Json& body) { return ask("POST", "/v1/rank", body.dump()); }

  void listen(const std::string& user, const std::string& item) {
    const Answer answer = ask("POST", "/v1/events", Json{{"user_id", user}, {"item_id", item}}.dump());
    ASSERT_EQ(answer.status, 201) << answer.body;
  }

  std::shared_ptr<ServedModel> model() const { return models_->choose("").model; }

  static Json embeddings_json(std::size_t item, std::size_t group) { return ModelFixture::embeddings(item, group); }

  static ModelFixture* folders_;
  std::set<std::string> seen_;  // "METHOD ROUTE STATUS"
  MemoryStore memory_;
  Metrics metrics_;
  std::mutex lines_mutex_;
  std::string lines_;
  RequestLog log_{LogLevel::info, [this](const std::string& line) {
                    const std::lock_guard lock(lines_mutex_);
                    lines_ += line;
                  }};
  MeasuredStore store_{memory_, metrics_};
  Access access_ = Access::open();
  std::unique_ptr<Models> models_;
  Service service_{{store_, access_, metrics_, log_}, {.max_candidates = 200}};
  OpenApiCheck check_{Json::parse(openapi_document())};
};

ModelFixture* ServiceTest::folders_ = nullptr;

TEST_F(ServiceTest, RanksByTheModelsLogits) {
  const Answer answer =
      rank({{"user_id", "user 1"}, {"candidates", {"item 3", "item 5", "nobody's", "item 5", "item 8"}}});
  ASSERT_EQ(answer.status, 200) << answer.body;
  const auto& bundle = model()->bundle();
  const std::uint32_t user = *bundle.users().find(std::string_view("user 1"));
  std::vector<rank::RequestItem> history;
  for (const std::uint32_t row : bundle.history(user)) history.push_back({row, {}});
  const std::vector<rank::RequestItem> candidates{{3, {}}, {5, {}}, {8, {}}};
  std::vector<float> logits(3);
  model()->scorer().score({user, history, candidates}, logits);
  const std::map<std::string, float> expected{{"item 3", logits[0]}, {"item 5", logits[1]}, {"item 8", logits[2]}};

  ASSERT_EQ(answer.body["items"].size(), 3u) << "a candidate that is given twice counts once";
  float before = std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < 3; ++i) {
    const Json& item = answer.body["items"][i];
    EXPECT_EQ(item["rank"], i + 1);
    EXPECT_FLOAT_EQ(item["score"].get<float>(), expected.at(item["item_id"]));
    EXPECT_NEAR(item["probability"].get<double>(), 1 / (1 + std::exp(-item["score"].get<double>())), 1e-6);
    EXPECT_LE(item["score"].get<float>(), before);
    before = item["score"];
  }
  EXPECT_EQ(answer.body["unknown"],
            Json::parse(R"([{"item_id":"nobody's","reason":"the model does not know this item"}])"));
  EXPECT_EQ(answer.body["history_used"], history.size());
  EXPECT_TRUE(answer.body["user_known"]);
  EXPECT_EQ(answer.body["degraded"], Json::array());
}

TEST_F(ServiceTest, AnEventCountsInTheNextRanking) {
  const Json query{{"user_id", "a new user"}, {"candidates", "all"}, {"top", 60}, {"exclude_history", false}};
  const Answer before = rank(query);
  EXPECT_FALSE(before.body["user_known"]);
  EXPECT_EQ(before.body["history_used"], 0);
  for (const char* item : {"item 2", "item 6", "item 10"}) listen("a new user", item);
  const Answer after = rank(query);
  EXPECT_EQ(after.body["history_used"], 3);
  EXPECT_NE(after.body["items"], before.body["items"]);
  const Answer same = rank(
      {{"history", {"item 2", "item 6", "item 10"}}, {"candidates", "all"}, {"top", 60}, {"exclude_history", false}});
  EXPECT_EQ(same.body["items"], after.body["items"]) << "a history in the request is as good as one in the store";
}

TEST_F(ServiceTest, AnEventOfTheTrainingLogCountsOnce) {
  const auto sids = folders_->encode(folders_->folder() / "codebooks");
  folders_->make_ranker("timed", sids, ModelFixture::options(), 1);
  open_models({{"default", model_folders("timed"), 1.0}});
  const std::int64_t last = ModelFixture::last_time(1);
  const auto listen_at = [&](std::uint32_t item, std::int64_t time) {
    const Json event{{"user_id", "user 1"}, {"item_id", "item " + std::to_string(item)}, {"timestamp", time}};
    ASSERT_EQ(ask("POST", "/v1/events", event.dump()).status, 201);
  };
  const auto history_used = [&] {
    return rank({{"user_id", "user 1"}, {"candidates", {"item 3"}}}).body["history_used"].get<int>();
  };
  const auto positives = model()->bundle().positives(1);
  const int trained = history_used();
  ASSERT_LE(trained + 2, static_cast<int>(ModelFixture::options().history)) << "else the oldest would make room";
  listen_at(positives[0], last);
  listen_at(positives[0], last - 5);
  EXPECT_EQ(history_used(), trained) << "the log had it";
  listen_at(positives[0], last + 1);
  EXPECT_EQ(history_used(), trained + 1) << "heard again after the log ended";
  listen_at(2, last);  // users like the items whose number is theirs modulo 4
  EXPECT_EQ(history_used(), trained + 2) << "the log does not have it";
}

TEST_F(ServiceTest, LeavesOutWhatTheUserHasMet) {
  const Answer without = rank({{"user_id", "user 1"}, {"candidates", "all"}, {"top", 100}});
  const auto positives = model()->bundle().positives(1);
  EXPECT_EQ(without.body["items"].size(), ModelFixture::kItems - positives.size());
  const std::string listened = without.items().front();
  listen("user 1", listened);
  const Answer again = rank({{"user_id", "user 1"}, {"candidates", "all"}, {"top", 100}});
  EXPECT_EQ(again.body["items"].size(), without.body["items"].size() - 1);
  EXPECT_EQ(std::ranges::count(again.items(), listened), 0);
  // Candidates that are named are ranked, unless the request says otherwise.
  EXPECT_EQ(rank({{"user_id", "user 1"}, {"candidates", {listened}}}).items(), std::vector{listened});
  EXPECT_TRUE(rank({{"user_id", "user 1"}, {"candidates", {listened}}, {"exclude_history", true}}).items().empty());
  // A history in the request replaces what is known, here too.
  const Answer replaced = rank({{"user_id", "user 1"}, {"history", {"item 0"}}, {"candidates", "all"}, {"top", 100}});
  EXPECT_EQ(replaced.body["items"].size(), ModelFixture::kItems - 1);
}

TEST_F(ServiceTest, TheNewestItemsOfAHistoryCount) {
  for (int i = 0; i < 15; ++i) {
    const Json event{{"user_id", "u"}, {"item_id", "item " + std::to_string(i)}, {"timestamp", i}};
    ask("POST", "/v1/events", event.dump());
  }
  const Answer stored = rank({{"user_id", "u"}, {"candidates", {"item 20", "item 21"}}});
  EXPECT_EQ(stored.body["history_used"], 10) << "T of the model";
  Json last = Json::array();
  for (int i = 5; i < 15; ++i) last.push_back("item " + std::to_string(i));
  EXPECT_EQ(rank({{"history", last}, {"candidates", {"item 20", "item 21"}}}).body["items"], stored.body["items"]);
  Service longer({store_, access_, metrics_, log_}, {.history = 12, .max_candidates = 200});
  longer.open(*models_);
  EXPECT_EQ(ask(longer, "POST", "/v1/rank", R"({"user_id":"u","candidates":["item 20"]})").body["history_used"], 12);
}

TEST_F(ServiceTest, DislikesAreKeptAndAreNoHistory) {
  EXPECT_EQ(ask("POST", "/v1/events", R"({"user_id":"u","item_id":"item 1","label":0})").status, 201);
  EXPECT_EQ(rank({{"user_id", "u"}, {"candidates", {"item 3"}}}).body["history_used"], 0);
}

TEST_F(ServiceTest, ExplainsByWhatIsMissedWithoutAPart) {
  const Json query{{"history", {"item 2", {{"item_id", "item 6"}}, "unknown"}},
                   {"candidates", {"item 10", "item 1"}},
                   {"explain", true}};
  const Answer answer = rank(query);
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.body["history_unknown"], 1);
  const std::vector<rank::RequestItem> history{{2, {}}, {6, {}}}, candidates{{10, {}}, {1, {}}};
  const auto expected = model()->scorer().explain({rank::Batch::kNoUser, history, candidates}, 0, 5);
  const auto& first = answer.body["items"][answer.items()[0] == "item 10" ? 0 : 1];
  ASSERT_EQ(first["item_id"], "item 10");
  ASSERT_EQ(first["explanation"]["sources"].size(), expected.sources.size());
  for (std::size_t i = 0; i < expected.sources.size(); ++i) {
    EXPECT_EQ(first["explanation"]["sources"][i]["source"], expected.sources[i].name);
    EXPECT_NEAR(first["explanation"]["sources"][i]["contribution"].get<double>(), expected.sources[i].contribution,
                1e-6);
  }
  ASSERT_EQ(first["explanation"]["history"].size(), 2u);
  EXPECT_EQ(first["explanation"]["history"][0]["item_id"], expected.history[0].place == 0 ? "item 2" : "item 6");
  EXPECT_EQ(rank({{"user_id", "u"}, {"candidates", "all"}, {"top", 21}, {"explain", true}}).status, 400);
}

TEST_F(ServiceTest, EventsAreKeptOnce) {
  const std::string event = R"({"event_id":"e1","user_id":7,"item_id":"item 1","timestamp":5})";
  const Answer first = ask("POST", "/v1/events", event), second = ask("POST", "/v1/events", event);
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(first.body, Json::parse(R"({"event_id":"e1","outcome":"added","timestamp":5,"item_known":true})"));
  EXPECT_EQ(second.status, 200);
  EXPECT_EQ(second.body["outcome"], "duplicate");
  // Without an id of its own, an event is what it says.
  const std::string nameless = R"({"user_id":"7","item_id":"item 2","timestamp":6,"label":true})";
  const Answer third = ask("POST", "/v1/events", nameless);
  EXPECT_EQ(third.status, 201);
  EXPECT_EQ(ask("POST", "/v1/events", nameless).body["outcome"], "duplicate");
  EXPECT_EQ(ask("POST", "/v1/events", R"({"user_id":"7","item_id":"item 2","timestamp":7})").body["outcome"], "added");
  const Answer several = ask("POST", "/v1/events", "[" + event + R"(,{"user_id":"7","item_id":"x","timestamp":9}])");
  EXPECT_EQ(several.status, 201);
  EXPECT_EQ(several.body["events"][0]["outcome"], "duplicate");
  EXPECT_EQ(several.body["events"][1]["outcome"], "added");
  EXPECT_EQ(several.body["events"][1]["item_known"], false);
  EXPECT_EQ(memory_.history("7", 100).size(), 4u) << "an integer id is its decimal form";
}

TEST_F(ServiceTest, AnEventWithoutATimeHappensNow) {
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  const Answer answer = ask("POST", "/v1/events", R"({"user_id":"u","item_id":"item 1"})");
  EXPECT_NEAR(answer.body["timestamp"].get<double>(), static_cast<double>(now.count()), 60.0);
}

TEST_F(ServiceTest, NowIsWrittenInTheUnitOfTheLog) {
  const auto sids = folders_->encode(folders_->folder() / "codebooks");
  for (const std::int64_t unit : {1'000, 1'000'000, 1'000'000'000}) {
    const std::string name = "times in " + std::to_string(unit);
    folders_->make_ranker(name, sids, ModelFixture::options(), unit);
    open_models({{"default", model_folders(name), 1.0}});
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
    const Answer answer = ask("POST", "/v1/events", Json{{"user_id", "u"}, {"item_id", "item 1"}}.dump());
    EXPECT_NEAR(answer.body["timestamp"].get<double>() / static_cast<double>(unit), static_cast<double>(now.count()),
                60.0);
  }
}

TEST_F(ServiceTest, ANewItemIsRankedAtOnce) {
  const Json item{{"item_id", "brand new"}, {"embeddings", embeddings_json(500, 2)}};
  EXPECT_EQ(rank({{"user_id", "u"}, {"candidates", {"brand new"}}}).body["unknown"].size(), 1u);
  const Answer added = ask("POST", "/v1/items", item.dump());
  ASSERT_EQ(added.status, 201) << added.body;
  EXPECT_EQ(added.body["outcome"], "added");
  const Json expected = model()->encode(ModelFixture::embeddings(500, 2));
  EXPECT_EQ(added.body["codes"], expected);
  EXPECT_EQ(ask("POST", "/v1/encode", Json{{"embeddings", embeddings_json(500, 2)}}.dump()).body["codes"], expected);
  EXPECT_EQ(rank({{"user_id", "u"}, {"candidates", {"brand new"}}}).items(), std::vector<std::string>{"brand new"});
  EXPECT_EQ(rank({{"user_id", "u"}, {"candidates", "all"}, {"top", 100}}).body["items"].size(),
            ModelFixture::kItems + 1);
  const Answer found = ask("GET", "/v1/items/brand new");
  EXPECT_EQ(found.status, 200);
  EXPECT_EQ(found.body["of_training"], false);
  EXPECT_EQ(found.body["codes"], expected);
  EXPECT_EQ(ask("POST", "/v1/items", item.dump()).body["outcome"], "replaced");
  listen("u", "brand new");
  EXPECT_EQ(rank({{"user_id", "u"}, {"candidates", {"item 1"}}}).body["history_used"], 1);
  EXPECT_EQ(rank({{"user_id", "u"}, {"candidates", "all"}, {"top", 100}}).body["items"].size(), ModelFixture::kItems);

  const Answer by_codes = ask("POST", "/v1/items", Json{{"item_id", 12}, {"codes", {{"text", {1, 2}}}}}.dump());
  EXPECT_EQ(by_codes.status, 201);
  EXPECT_EQ(by_codes.body["codes"], Json::parse(R"({"text":[1,2]})"));
  const Answer known = ask("POST", "/v1/items", Json{{"item_id", "item 1"}, {"codes", {{"text", {1, 2}}}}}.dump());
  EXPECT_EQ(known.status, 200);
  EXPECT_EQ(known.body["outcome"], "of_training");
  EXPECT_EQ(ask("GET", "/v1/items/nothing").status, 404);
}

TEST_F(ServiceTest, FindsSimilarItemsByPrefix) {
  ask("POST", "/v1/items", Json{{"item_id", "twin"}, {"embeddings", embeddings_json(4, 0)}}.dump());
  const Answer answer = ask("GET", "/v1/similar/item 4?family=text&top=100");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.body["items"].size(), ModelFixture::kItems) << "all but itself, and the twin";
  EXPECT_EQ(answer.body["items"][0]["common_prefix"], 2);
  std::pair<int, double> before{2, 0.0};
  for (const Json& item : answer.body["items"]) {
    const std::pair<int, double> here{item["common_prefix"], item["distance"]};
    EXPECT_TRUE(here.first < before.first || (here.first == before.first && here.second >= before.second));
    EXPECT_TRUE(here.first < 2 || here.second == 0.0) << "items of one ID are one to the ranker";
    before = here;
    const Json codes = ask("GET", "/v1/items/" + item["item_id"].get<std::string>()).body["codes"]["text"];
    const Json query = ask("GET", "/v1/items/item 4").body["codes"]["text"];
    EXPECT_EQ(here.first, codes[0] != query[0] ? 0 : codes[1] != query[1] ? 1 : 2);
  }
  EXPECT_GT(std::ranges::count(answer.items(), "twin"), 0);
  EXPECT_EQ(ask("GET", "/v1/similar/item 4").body["family"], "joint");
  EXPECT_EQ(ask("GET", "/v1/similar/item 4?top=3").body["items"].size(), 3u);
  EXPECT_EQ(ask("GET", "/v1/similar/nothing").status, 404);
  for (const char* query : {"?top=0", "?top=x", "?top=1001", "?family=none", "?what=1", "?top=%zz"}) {
    EXPECT_EQ(ask("GET", std::string("/v1/similar/item 4") + query).status, 400) << query;
  }
}

TEST_F(ServiceTest, WithoutTheStoreRankingsGoOn) {
  const Json query{{"user_id", "user 1"}, {"candidates", {"item 3", "item 5"}}};
  const Answer before = rank(query);
  listen("user 1", "item 7");
  const Answer with_event = rank(query);
  memory_.is_down = true;
  const Answer degraded = rank(query);
  EXPECT_EQ(degraded.status, 200);
  EXPECT_EQ(degraded.body["degraded"], Json::parse(R"(["store"])"));
  EXPECT_EQ(degraded.body["items"], before.body["items"]) << "the training's history alone";
  EXPECT_EQ(rank({{"user_id", "user 1"}, {"history", {"item 1"}}, {"candidates", {"item 3"}}}).body["degraded"],
            Json::array())
      << "nothing was asked of the store";
  for (const Answer& refused :
       {ask("POST", "/v1/events", R"({"user_id":"u","item_id":"item 1"})"),
        ask("POST", "/v1/items", Json{{"item_id", "x"}, {"codes", {{"text", {1, 2}}}}}.dump())}) {
    ASSERT_EQ(refused.status, 503);
    EXPECT_EQ(refused.response.headers.front(), (std::pair<std::string, std::string>("Retry-After", "1")));
  }
  EXPECT_EQ(ask("GET", "/v1/items/x").status, 404) << "what is not durable is not known";
  const Answer ready = ask("GET", "/readyz");
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(ready.body["store"], "does not answer");
  EXPECT_NE(ask("GET", "/metrics").response.body.find("neume_degraded_answers_total{part=\"store\"} 1"),
            std::string::npos);
  memory_.is_down = false;
  EXPECT_EQ(rank(query).body["items"], with_event.body["items"]);
  EXPECT_EQ(ask("GET", "/readyz").body["store"], "answers");
}

TEST_F(ServiceTest, FollowsItemsOfOtherServers) {
  memory_.put_item({"from the start", model()->stored_value({}, {{"text", {1, 2}}})});
  const ItemFollower follower(store_, *models_, log_, std::chrono::milliseconds(5));
  EXPECT_EQ(ask("GET", "/v1/items/from the start").status, 200);
}

TEST_F(ServiceTest, SpeaksTheOpenInferenceProtocol) {
  EXPECT_EQ(ask("GET", "/v2").body["name"], "neume");
  EXPECT_TRUE(ask("GET", "/v2/health/live").body["live"]);
  EXPECT_TRUE(ask("GET", "/v2/health/ready").body["ready"]);
  EXPECT_TRUE(ask("GET", "/v2/models/neume/ready").body["ready"]);
  EXPECT_EQ(ask("GET", "/v2/models/neume").body["inputs"][2]["name"], "candidates");
  const std::string query = R"({"id":"42","inputs":[
      {"name":"user_id","datatype":"BYTES","shape":[1],"data":["user 1"]},
      {"name":"candidates","datatype":"BYTES","shape":[1,3],"data":[["item 3","nobody's","item 5"]]}],
      "outputs":[{"name":"scores"},{"name":"known"}]})";
  const Answer answer = ask("POST", "/v2/models/neume/infer", query);
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.body["id"], "42");
  const Json& outputs = answer.body["outputs"];
  EXPECT_EQ(outputs[0]["shape"], Json::parse("[1,3]"));
  EXPECT_EQ(outputs[1]["data"], Json::parse("[true,false,true]"));
  EXPECT_LT(outputs[0]["data"][1], -3e38);
  const Answer ranked = rank({{"user_id", "user 1"}, {"candidates", {"item 3", "item 5"}}});
  for (const Json& item : ranked.body["items"]) {
    EXPECT_EQ(outputs[0]["data"][item["item_id"] == "item 3" ? 0 : 2], item["score"]);
  }
  EXPECT_EQ(ask("POST", "/v2/models/other/infer", query).status, 404);
  EXPECT_EQ(ask("GET", "/v2/models/other").status, 404);
  EXPECT_EQ(ask("GET", "/v2/models/other/ready").status, 404);
  const std::map<std::string, std::string> wrong{
      {R"({"inputs":[]})", "inputs: the tensor candidates is missing"},
      {R"({"inputs":[{"name":"candidates","datatype":"BYTES","shape":[1],"data":["a"]}]})",
       "inputs: expected user_id or history"},
      {R"({"inputs":[{"name":"candidates","datatype":"FP32","shape":[1],"data":[1]}]})",
       "inputs[0].datatype: expected BYTES"},
      {R"({"inputs":[{"name":"candidates","datatype":"BYTES","shape":[2],"data":["a"]}]})",
       "inputs[0].data: expected as many values as the shape says, 2, found 1"},
      {R"({"inputs":[{"name":"candidates","datatype":"BYTES","shape":[2,1],"data":["a","b"]}]})",
       "inputs[0].shape: expected [n] or [1, n]"},
      {R"({"inputs":[{"name":"user_id","datatype":"BYTES","shape":[0],"data":[]}]})", "inputs[0].shape: expected [1]"},
      {R"({"inputs":[{"name":"x","datatype":"BYTES","shape":[1],"data":["a"]}]})",
       "inputs[0].name: expected user_id, history or candidates"}};
  for (const auto& [body, reason] : wrong) {
    const Answer refused = ask("POST", "/v2/models/neume/infer", body);
    EXPECT_EQ(refused.status, 400) << body;
    EXPECT_EQ(refused.body["error"], reason) << body;
  }
}

TEST_F(ServiceTest, WrongRequestsNameTheField) {
  const std::map<std::string, std::string> wrong{
      {"{}", "candidates: required"},
      {R"({"candidates":["a"]})", "user_id: required where there is no history"},
      {R"({"candidates":"some","user_id":1})", "candidates: expected a list of ids, or \"all\""},
      {R"({"candidates":[{}],"user_id":1})", "candidates[0]: expected an id (text or an integer), found object"},
      {R"({"candidates":["a"],"user_id":1,"top":0})", "top: expected an integer from 1 to 200, found 0"},
      {R"({"candidates":["a"],"user_id":1,"Top":1})",
       "Top: unknown field; known are user_id, history, candidates, top, exclude_history, explain"},
      {R"({"candidates":["a"],"user_id":1,"explain":"yes"})", "explain: expected true or false, found text"},
      {R"({"candidates":["a"],"history":[{"item":1}]})", "history[0].item_id: required"},
      {R"([])", "body: expected an object, found array"}};
  for (const auto& [body, reason] : wrong) {
    const Answer answer = ask("POST", "/v1/rank", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(answer.reason(), reason) << body;
  }
  const std::map<std::string, std::string> wrong_events{
      {"[]", "body: expected an event, or a list of them"},
      {R"([{"user_id":"u","item_id":"i"},{"user_id":"u"}])", "events[1].item_id: required"},
      {R"({"user_id":"u","item_id":"i","label":2})", "label: expected an integer from 0 to 1, found 2"},
      {R"({"user_id":"u","item_id":"i","timestamp":1.5})",
       "timestamp: expected an integer from -9223372036854775808 to 9223372036854775807, found a number"}};
  for (const auto& [body, reason] : wrong_events) EXPECT_EQ(ask("POST", "/v1/events", body).reason(), reason) << body;
  const std::map<std::string, std::string> wrong_items{
      {R"({"item_id":"i"})", "embeddings: expected either these or codes"},
      {R"({"item_id":"i","embeddings":{"text":[1]}})", "embeddings.text: expected 6 numbers, found 1"},
      {R"({"item_id":"i","codes":{"text":[1,70000]}})",
       "codes.text[1]: expected an integer from 0 to 65534, found 70000"},
      {R"({"item_id":"i","codes":{}})", "codes: expected an object of a list of codes by family"}};
  for (const auto& [body, reason] : wrong_items) EXPECT_EQ(ask("POST", "/v1/items", body).reason(), reason) << body;

  Json many{{"user_id", "u"}, {"candidates", Json::array()}};
  for (int i = 0; i <= 200; ++i) many["candidates"].push_back(i);
  EXPECT_EQ(rank(many).status, 413);
  Json events = Json::array();
  for (int i = 0; i <= 100; ++i) events.push_back({{"user_id", "u"}, {"item_id", i}});
  EXPECT_EQ(ask("POST", "/v1/events", events.dump()).status, 413);
  Service small({store_, access_, metrics_, log_}, {.max_candidates = 59});
  small.open(*models_);
  EXPECT_EQ(ask(small, "POST", "/v1/rank", R"({"user_id":"u","candidates":"all"})").status, 413);
}

TEST_F(ServiceTest, PathsAndMethodsThatAreNotThere) {
  EXPECT_EQ(ask("GET", "/nothing").status, 404);
  EXPECT_EQ(ask("GET", "/v1/items/").status, 404) << "an id has a character at least";
  const Answer wrong = ask("DELETE", "/v1/models");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.response.headers.front(), (std::pair<std::string, std::string>("Allow", "GET, POST")));
  EXPECT_EQ(ask("GET", "/v1/items/a/b").reason(), "the model does not know this item") << "ids may hold slashes";
}

TEST_F(ServiceTest, TokensDecideWhoMayDoWhat) {
  const std::filesystem::path file = folders_->folder() / "tokens";
  const std::string reader(32, 'r'), writer(32, 'w'), admin(32, 'a');
  base::write_file(file, Access::line_of(reader, Scope::read, "reader") + "\n" +
                             Access::line_of(writer, Scope::write, "writer") + "\n" +
                             Access::line_of(admin, Scope::admin, "admin") + "\n");
  const Access access = Access::from_file(file);
  Service service({store_, access, metrics_, log_}, {});
  service.open(*models_);
  const auto status = [&](const std::string& method, const std::string& path, const std::string& token) {
    const std::string body =
        path == "/v1/events" ? R"({"user_id":"u","item_id":"i"})" : R"({"user_id":1,"candidates":[]})";
    return ask(service, method, path, body, token.empty() ? "" : "Bearer " + token).status;
  };
  for (const char* path : {"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"})
    EXPECT_EQ(status("GET", path, ""), 200);
  for (const char* path : {"/metrics", "/openapi.json", "/v1/items/item 1"}) {
    EXPECT_EQ(status("GET", path, ""), 401) << path;
    EXPECT_EQ(status("GET", path, reader), 200) << path;
  }
  EXPECT_EQ(status("POST", "/v1/rank", "wrong"), 401);
  EXPECT_EQ(status("POST", "/v1/rank", reader), 200);
  EXPECT_EQ(status("POST", "/v1/events", reader), 403);
  EXPECT_EQ(status("POST", "/v1/events", writer), 201);
  EXPECT_EQ(status("GET", "/v1/models", writer), 403);
  EXPECT_EQ(status("GET", "/v1/models", admin), 200);
}

TEST_F(ServiceTest, IsNotReadyBeforeItHasModels) {
  Service service({store_, access_, metrics_, log_}, {});
  EXPECT_EQ(ask(service, "GET", "/healthz").status, 200);
  EXPECT_EQ(ask(service, "GET", "/readyz").status, 503);
  EXPECT_EQ(ask(service, "GET", "/v2/health/ready").status, 503);
  EXPECT_EQ(ask(service, "GET", "/v2/models/neume/ready").status, 503);
  EXPECT_EQ(ask(service, "GET", "/metrics").status, 200);
  const Answer early = ask(service, "POST", "/v1/rank", R"({"user_id":1,"candidates":[]})");
  EXPECT_EQ(early.status, 503);
  EXPECT_EQ(early.response.headers.front().first, "Retry-After");
}

TEST_F(ServiceTest, ModelsAreSwappedAndPutBack) {
  const std::string first = ask("GET", "/v1/models").body["models"][0]["model_version"];
  const Json query{{"user_id", "user 1"}, {"candidates", {"item 3", "item 5"}}};
  const Json before = rank(query).body;
  const Answer swapped =
      ask("POST", "/v1/models",
          Json{{"model", model_folders("other").model}, {"codebooks", model_folders().codebooks}}.dump());
  ASSERT_EQ(swapped.status, 200) << swapped.body;
  EXPECT_NE(swapped.body["model_version"], first);
  EXPECT_EQ(rank(query).body["model_version"], swapped.body["model_version"]);
  EXPECT_NE(rank(query).body["items"], before["items"]);
  EXPECT_EQ(ask("POST", "/v1/models/restore", "").body["model_version"], first);
  EXPECT_EQ(rank(query).body, before);
  EXPECT_EQ(ask("POST", "/v1/models", R"({"model":"/nowhere"})").status, 422);
  EXPECT_EQ(ask("POST", "/v1/models", R"({"model":"/nowhere","variant":"none"})").status, 400);
  EXPECT_EQ(rank(query).body, before);
}

TEST_F(ServiceTest, VariantsAreFixedByUserAndLogged) {
  open_models({{"a", model_folders(), 0.5}, {"b", model_folders("other"), 0.5}});
  const std::filesystem::path folder = folders_->folder() / "exposures";
  {
    ExposureLog exposures({.folder = folder});
    EventLog events({.folder = folder});
    Service service({store_, access_, metrics_, log_, &exposures, &events}, {.experiment = "default"});
    service.open(*models_);
    std::map<std::string, int> users;
    for (int i = 0; i < 40; ++i) {
      const std::string body = Json{{"user_id", "user " + std::to_string(i)}, {"candidates", {"item 3"}}}.dump();
      const std::string variant = ask(service, "POST", "/v1/rank", body).body["variant"];
      EXPECT_EQ(ask(service, "POST", "/v1/rank", body).body["variant"], variant);
      ++users[variant];
    }
    EXPECT_GT(users["a"], 8);
    EXPECT_GT(users["b"], 8);
    ask(service, "POST", "/v1/events", R"({"user_id":"u","item_id":"i"})");
    exposures.flush();
    events.flush();
  }
  std::map<std::string, int> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    ++files[name.substr(0, name.find('-'))];
  }
  EXPECT_EQ(files, (std::map<std::string, int>{{"exposures", 1}, {"events", 1}}));
}

TEST_F(ServiceTest, WarmsUpWithRecordedRequests) {
  EXPECT_NO_THROW(service_.warm_up(*model(), R"({"user_id":"user 1","candidates":["item 3"]})"));
  EXPECT_THROW(service_.warm_up(*model(), "{}"), RequestError);
}

TEST_F(ServiceTest, TheLogNamesNoUser) {
  rank({{"user_id", "user 1"}, {"candidates", {"item 3"}}});
  ask("GET", "/v1/items/secret item");
  ask("POST", "/v1/rank", "{");
  for (int tries = 0; tries < 1000; ++tries) {
    const std::lock_guard lock(lines_mutex_);
    if (std::ranges::count(lines_, '\n') == 3) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  const std::lock_guard lock(lines_mutex_);
  EXPECT_EQ(lines_.find("user 1"), std::string::npos);
  EXPECT_EQ(lines_.find("secret"), std::string::npos);
  const Json first = Json::parse(lines_.substr(0, lines_.find('\n')));
  EXPECT_EQ(first["route"], "/v1/rank");
  EXPECT_EQ(first["level"], "info");
  EXPECT_EQ(first["status"], 200);
  EXPECT_EQ(first["request_id"], "request-1");
  EXPECT_EQ(first["compute_ms"], 2.0);
}

TEST_F(ServiceTest, MetricsHaveRoutesStoreAndModels) {
  rank({{"user_id", "user 1"}, {"candidates", {"item 3", "item 4"}}});
  ask("POST", "/v1/rank", "{");
  const std::string text = ask("GET", "/metrics").response.body;
  for (const std::string line :
       {"neume_requests_total{route=\"/v1/rank\",status=\"200\"} 1",
        "neume_requests_total{route=\"/v1/rank\",status=\"400\"} 1",
        "neume_request_queue_seconds_count{route=\"/v1/rank\"} 2",
        "neume_request_compute_seconds_sum{route=\"/v1/rank\",status=\"200\"} 0.002",
        "neume_store_seconds_count{call=\"history\"} 1", "neume_store_errors_total{call=\"history\"} 0",
        "neume_ranking_candidates_sum{variant=\"default\"} 2", "neume_store_up 1", "process_resident_memory_bytes "}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
  EXPECT_NE(text.find("neume_model_info{variant=\"default\",version=\"" + model()->version() + "\"} 1"),
            std::string::npos);
}

TEST_F(ServiceTest, TheDocumentHasEveryRouteAndNoOther) {
  const Json document = ask("GET", "/openapi.json").body;
  std::set<std::string> documented, known;
  for (const auto& [path, methods] : document["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      std::string name = method + " " + path;
      documented.insert(name);
    }
  }
  for (const Route& route : routes()) {
    std::string method(route.method);
    for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    known.insert(method + " " + std::string(route.pattern));
  }
  EXPECT_EQ(documented, known);
  EXPECT_EQ(document["security"], Json::parse(R"([{"token":[]}])"));
  // Requests that the document allows are answered.
  const Json& schemas = document["components"]["schemas"];
  EXPECT_EQ(check_.problem_of(Json::parse(R"({"user_id":1,"candidates":"all","history":["a",{"item_id":2}]})"),
                              schemas["RankRequest"], "body"),
            "");
  EXPECT_NE(check_.problem_of(Json::parse(R"({"user_id":1})"), schemas["RankRequest"], "body"), "");
  EXPECT_NE(check_.problem_of(Json::parse(R"({"candidates":[],"x":1})"), schemas["RankRequest"], "body"), "");
}

}  // namespace
}  // namespace neume::serve
