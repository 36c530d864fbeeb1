// Several models side by side: who gets which, and what happens when one is replaced.

#include "serve/models.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <set>
#include <thread>

#include <neume/error.hpp>

#include "model_fixture.hpp"

namespace neume::serve {
namespace {

namespace fs = std::filesystem;

/// Keeps items in memory, in the order in which they came.
class ItemsInMemory final : public store::Store {
 public:
  store::Appended append(const store::Event&) override { return store::Appended::added; }
  std::vector<store::Event> history(std::string_view, std::size_t) override { return {}; }
  void put_item(const store::StoredItem& item) override {
    const std::lock_guard lock(mutex_);
    items_.push_back(item);
  }
  store::ItemPage items_since(std::uint64_t cursor, std::size_t limit) override {
    if (down) throw store::StoreError("down");
    const std::lock_guard lock(mutex_);
    store::ItemPage page{{}, cursor};
    while (page.cursor < items_.size() && page.items.size() < limit) page.items.push_back(items_[page.cursor++]);
    return page;
  }
  void check() override {}
  std::vector<std::string> warnings() override { return {}; }

  std::atomic<bool> down = false;

 private:
  std::mutex mutex_;
  std::vector<store::StoredItem> items_;
};

class ModelsTest : public testing::Test {
 protected:
  fs::path ranker(const std::string& name, std::uint64_t seed) {
    RankerOptions options = ModelFixture::options();
    options.seed = seed;
    return fixture_.make_ranker(name, sids_, options);
  }

  static ReadinessOptions readiness() {
    ReadinessOptions options;
    options.canaries = 3;
    return options;
  }

  ModelFixture fixture_{"models"};
  fs::path codebooks_ = fixture_.make_codebooks("codebooks");
  SemanticIds sids_ = fixture_.encode(codebooks_);
  ItemsInMemory store_;
};

TEST(Variant, IsReadFromTheCommandLine) {
  const Variant variant = Variant::parse("b.2=runs/x=y:z:0.25");
  EXPECT_EQ(variant.name, "b.2");
  EXPECT_EQ(variant.folders.model, "runs/x=y:z");
  EXPECT_TRUE(variant.folders.codebooks.empty());
  EXPECT_EQ(variant.share, 0.25);
  const Variant with_codebooks = Variant::parse("a=runs/a,runs/codebooks:2");
  EXPECT_EQ(with_codebooks.folders.model, "runs/a");
  EXPECT_EQ(with_codebooks.folders.codebooks, "runs/codebooks");
  for (const char* text : {"", "a", "a=b", "a:1", "=b:1", "a=:1", "a=b:", "a=b:x", "a=b:0", "a=b:-1", "a=b:inf",
                           "a=b:nan", "a b=c:1", "a=b:1 ", ":1=a"}) {
    EXPECT_THROW(Variant::parse(text), InvalidArgument) << text;
  }
}

TEST(UserPlace, IsTheSameForEverAndUniform) {
  // Written down: servers of different ages must agree, or users change sides at every release.
  EXPECT_NEAR(user_place("default", "user 1"), 0.17495528253637338, 1e-15);
  EXPECT_NE(user_place("default", "user 1"), user_place("other", "user 1"));
  EXPECT_NE(user_place("ab", "c"), user_place("a", "bc"));
  constexpr std::size_t kUsers = 100'000, kBins = 20;
  std::vector<double> counts(kBins);
  double both = 0.0;  // users in the first half of both of two experiments
  for (std::size_t i = 0; i < kUsers; ++i) {
    const double place = user_place("e", std::to_string(i));
    counts.at(static_cast<std::size_t>(place * kBins)) += 1.0;
    both += place < 0.5 && user_place("f", std::to_string(i)) < 0.5 ? 1.0 : 0.0;
  }
  double chi_square = 0.0;
  for (const double count : counts) chi_square += (count - 5000.0) * (count - 5000.0) / 5000.0;
  EXPECT_LT(chi_square, 43.8);  // p = 0.001 at 19 degrees of freedom
  EXPECT_NEAR(both, 0.25 * kUsers, 3.3 * std::sqrt(kUsers * 0.25 * 0.75));
}

TEST_F(ModelsTest, UsersAreSharedOutByHash) {
  const fs::path a = ranker("a", 1), b = ranker("b", 2);
  const std::vector<Variant> variants{{"a", {a, codebooks_}, 3.0}, {"b", {b, codebooks_}, 1.0}};
  const Models models(variants, readiness(), store_), restarted(variants, readiness(), store_);
  std::size_t of_b = 0;
  for (std::size_t i = 0; i < 4000; ++i) {
    const std::string user = std::to_string(i);
    const Models::Chosen chosen = models.choose(user);
    EXPECT_EQ(chosen.variant, restarted.choose(user).variant);
    EXPECT_EQ(chosen.variant, user_place("default", user) < 0.75 ? "a" : "b");
    EXPECT_EQ(chosen.model->folders().model, chosen.variant == "a" ? a : b);
    of_b += chosen.variant == "b" ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(of_b), 1000.0, 100.0);
  EXPECT_EQ(models.choose("").variant, "a");
  EXPECT_EQ(models.status()[1].share, 0.25);
  EXPECT_THROW(Models({}, readiness(), store_), InvalidArgument);
  EXPECT_THROW(Models({variants[0], variants[0]}, readiness(), store_), InvalidArgument);
}

TEST_F(ModelsTest, AModelIsReplacedAndPutBack) {
  Models models({{"a", {ranker("one", 1), codebooks_}, 1.0}}, readiness(), store_);
  const std::string first = models.choose("u").model->version();
  EXPECT_EQ(models.status()[0].previous_version, "");
  EXPECT_THROW(models.restore("a"), InvalidArgument);
  const std::string second = models.swap("a", {ranker("two", 2), codebooks_});
  EXPECT_NE(first, second);
  EXPECT_EQ(models.choose("u").model->version(), second);
  EXPECT_EQ(models.status()[0].previous_version, first);
  EXPECT_EQ(models.restore("a"), first);
  EXPECT_EQ(models.choose("u").model->version(), first);
  EXPECT_EQ(models.restore("a"), second);
  EXPECT_THROW(models.swap("b", {fixture_.folder() / "one", codebooks_}), InvalidArgument);
  EXPECT_THROW(models.restore("b"), InvalidArgument);
}

TEST_F(ModelsTest, ABrokenModelIsNotSwappedIn) {
  Models models({{"a", {ranker("one", 1), codebooks_}, 1.0}}, readiness(), store_);
  const std::string version = models.choose("u").model->version();
  const fs::path broken = ranker("two", 2);
  fs::resize_file(broken / "ranker.safetensors", fs::file_size(broken / "ranker.safetensors") - 4);
  EXPECT_THROW(models.swap("a", {broken, codebooks_}), DataError);
  store_.down = true;
  EXPECT_THROW(models.swap("a", {ranker("three", 3), codebooks_}), store::StoreError);
  EXPECT_EQ(models.choose("u").model->version(), version);
  EXPECT_EQ(models.status()[0].previous_version, "");
  store_.down = false;
  EXPECT_NE(models.swap("a", {fixture_.folder() / "three", codebooks_}), version);
}

TEST_F(ModelsTest, TheOldModelGoesWhenNobodyHasIt) {
  Models models({{"a", {ranker("one", 1), codebooks_}, 1.0}}, readiness(), store_);
  const fs::path two = ranker("two", 2), three = ranker("three", 3);
  std::weak_ptr<ServedModel> first = models.choose("u").model;
  models.swap("a", {two, codebooks_});
  EXPECT_FALSE(first.expired()) << "it can be put back";
  auto in_use = models.choose("u").model;
  const std::weak_ptr<ServedModel> second = in_use;
  models.swap("a", {three, codebooks_});
  EXPECT_TRUE(first.expired());
  models.swap("a", {two, codebooks_});
  EXPECT_FALSE(second.expired()) << "a request has it";
  in_use = nullptr;
  EXPECT_TRUE(second.expired());
}

TEST_F(ModelsTest, RequestsGoOnWhileModelsAreReplaced) {
  Models models({{"a", {ranker("one", 1), codebooks_}, 1.0}}, readiness(), store_);
  const ModelFolders folders[] = {{ranker("two", 2), codebooks_}, {fixture_.folder() / "one", codebooks_}};
  const std::string value = models.choose("u").model->stored_value(ModelFixture::embeddings(3, 3), {});
  std::atomic<bool> done = false;
  std::atomic<std::size_t> answered = 0, wrong = 0;
  std::vector<std::thread> requests;
  for (int t = 0; t < 2; ++t) {
    requests.emplace_back([&] {
      while (!done) {
        const Models::Chosen chosen = models.choose("u");
        const std::vector<rank::RequestItem> items{*chosen.model->find("item 1"), *chosen.model->find("item 2")};
        std::vector<float> logits(2);
        chosen.model->scorer().score({rank::Batch::kNoUser, items, items}, logits);
        if (!std::isfinite(logits[0])) ++wrong;
        ++answered;
      }
    });
  }
  std::size_t added = 0;
  std::thread writer([&] {
    while (!done) {
      const store::StoredItem item{"new " + std::to_string(added), value};
      store_.put_item(item);
      EXPECT_TRUE(models.add_item(item).empty());
      ++added;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  for (std::size_t i = 0; i < 10; ++i) models.swap("a", folders[i % 2]);
  done = true;
  for (std::thread& request : requests) request.join();
  writer.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(answered, 10u);
  EXPECT_EQ(models.choose("u").model->num_new_items(), added) << "items came before, during and after swaps";
  models.restore("a");
  EXPECT_EQ(models.choose("u").model->num_new_items(), added);
}

TEST_F(ModelsTest, OnlyOneModelIsLoadedAtATime) {
  ReadinessOptions options = readiness();
  options.recorded = fixture_.folder() / "recorded.jsonl";
  base::write_file(options.recorded, "{}\n");
  std::atomic<bool> entered = false, leave = true;
  options.answer = [&](ServedModel&, const std::string&) {
    entered = true;
    while (!leave) std::this_thread::yield();
  };
  Models models({{"a", {ranker("one", 1), codebooks_}, 1.0}}, options, store_);
  leave = entered = false;
  std::thread loading([&] { models.swap("a", {fixture_.folder() / "one", codebooks_}); });
  while (!entered) std::this_thread::yield();
  EXPECT_THROW(models.swap("a", {fixture_.folder() / "one", codebooks_}), InvalidArgument);
  EXPECT_EQ(models.choose("u").variant, "a");
  leave = true;
  loading.join();
  EXPECT_NO_THROW(models.swap("a", {fixture_.folder() / "one", codebooks_}));
}

TEST_F(ModelsTest, RecordedRequestsMustBeAnswered) {
  ReadinessOptions options = readiness();
  options.recorded = fixture_.folder() / "recorded.jsonl";
  std::vector<std::string> answered;
  options.answer = [&](ServedModel&, const std::string& body) {
    if (body == "bad") throw InvalidArgument("what is this");
    answered.push_back(body);
  };
  const std::vector<Variant> variants{{"a", {ranker("one", 1), codebooks_}, 1.0}};
  base::write_file(options.recorded, "first\n\nsecond\n");
  const Models models(variants, options, store_);
  EXPECT_EQ(answered, (std::vector<std::string>{"first", "second"}));
  base::write_file(options.recorded, "first\nbad\n");
  try {
    const Models refused(variants, options, store_);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("recorded.jsonl:2:"), std::string::npos) << error.what();
  }
  options.recorded = fixture_.folder() / "nowhere.jsonl";
  EXPECT_THROW(Models(variants, options, store_), DataError);
}

TEST_F(ModelsTest, AnItemThatAModelCannotHaveIsTold) {
  RankerOptions floor = ModelFixture::options(RankerModel::popularity);
  Models models(
      {{"a", {ranker("one", 1), codebooks_}, 1.0}, {"floor", {fixture_.make_ranker("floor", sids_, floor), {}}, 1.0}},
      readiness(), store_);
  std::shared_ptr<ServedModel> a;
  for (std::size_t i = 0; a == nullptr; ++i) {
    const Models::Chosen chosen = models.choose(std::to_string(i));
    if (chosen.variant == "a") a = chosen.model;
  }
  const std::string value = a->stored_value(ModelFixture::embeddings(3, 3), {});
  EXPECT_EQ(models.add_item({"new", value}), (std::vector<std::string>{"floor"}));
  EXPECT_TRUE(a->find("new"));
}

}  // namespace
}  // namespace neume::serve
