#include "serve/json_input.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace neume::serve {
namespace {

/// The status and reason of what parse_json or a reader throws.
template <class Call>
std::string refusal_of(Call&& call) {
  try {
    call();
  } catch (const RequestError& error) {
    return std::to_string(error.status()) + " " + error.what();
  }
  return "nothing was refused";
}

std::string refusal(const std::string& text, const JsonLimits& limits = {}) {
  return refusal_of([&] { parse_json(text, limits); });
}

TEST(ParseJson, ReadsWhatTheLibraryReads) {
  for (const std::string text :
       {R"({"a":[1,-2,3.5,"x",null,true,{"b":[]}],"c":{}})", "[]", "3", R"("\u00e9")", "[[[[1]]]]", " {} \n"}) {
    EXPECT_EQ(parse_json(text), Json::parse(text)) << text;
  }
}

TEST(ParseJson, RefusesWhatIsNoJson) {
  for (const std::string text : {"", "{", "{]", "[1,]", "nul", "{\"a\":1}x", "[1 2]", "{'a':1}", "[NaN]", "[Infinity]",
                                 "\"\\ud800\"", "\"\xff\"", "\"\xc0\xaf\"", "[\"\x01\"]", "// c\n1", "+1", "01"}) {
    EXPECT_TRUE(refusal(text).starts_with("400 body: not JSON")) << text << ": " << refusal(text);
  }
  EXPECT_EQ(refusal("[1e999]"), "400 body: the number that ends at byte 6 is beyond a double");
}

TEST(ParseJson, RefusesAKeyThatOccursTwice) {
  EXPECT_EQ(refusal(R"({"a":{"b":1,"c":2,"b":3}})"), "400 body: the key b occurs twice in an object");
  EXPECT_EQ(parse_json(R"({"a":{"b":1},"b":[{"b":1},{"b":2}]})")["b"].size(), 2u);
}

TEST(ParseJson, HoldsDepthAndNumberOfValues) {
  const std::string deep = std::string(16, '[') + std::string(16, ']');
  EXPECT_NO_THROW(parse_json(deep));
  EXPECT_EQ(refusal("[" + deep + "]"), "413 body: more than 16 levels of nesting");
  EXPECT_EQ(refusal(std::string(1 << 20, '[')), "413 body: more than 16 levels of nesting");
  EXPECT_NO_THROW(parse_json("[1,2,3]", {.values = 4}));
  EXPECT_EQ(refusal("[1,2,3,4]", {.values = 4}), "413 body: more than 4 values");
  EXPECT_EQ(refusal(R"({"a":{},"b":{},"c":{},"d":1})", {.values = 4}), "413 body: more than 4 values");
}

TEST(JsonFields, NamesWhatIsMissingAndWhatIsUnknown) {
  const Json value = Json::parse(R"({"a": 1, "extra": null})");
  JsonFields fields(value, "body");
  EXPECT_NE(fields.find("a"), nullptr);
  EXPECT_EQ(refusal_of([&] { fields.require("b"); }), "400 b: required");
  EXPECT_EQ(refusal_of([&] { fields.finish(); }), "400 extra: unknown field; known are a, b");
  EXPECT_EQ(fields.find("extra"), nullptr) << "null is a field that is not there";
  EXPECT_NO_THROW(fields.finish());
  EXPECT_EQ(JsonFields(value, "events[3]").place_of("a"), "events[3].a");
  EXPECT_EQ(refusal_of([&] { JsonFields(Json(3), "body"); }), "400 body: expected an object, found a number");
}

TEST(JsonValues, AnIdIsTextOrAnInteger) {
  const JsonLimits limits;
  const auto id = [&](const std::string& text) { return read_id(Json::parse(text), "user_id", limits); };
  EXPECT_EQ(id(R"("u 1")"), "u 1");
  EXPECT_EQ(id("17"), "17");
  EXPECT_EQ(id("-3"), "-3");
  EXPECT_EQ(id("18446744073709551615"), "18446744073709551615");
  for (const std::string wrong : {"1.0", "true", "[]", "{}", "1e3", "18446744073709551616"}) {
    EXPECT_TRUE(refusal_of([&] { id(wrong); }).starts_with("400 user_id: expected an id")) << wrong;
  }
  EXPECT_EQ(refusal_of([&] { id("\"\""); }), "400 user_id: expected an id of 1 to 512 bytes, found 0");
  EXPECT_EQ(refusal_of([&] { id(Json(std::string(513, 'x')).dump()); }),
            "400 user_id: expected an id of 1 to 512 bytes, found 513");
}

TEST(JsonValues, ListsNameTheElementThatIsWrong) {
  EXPECT_EQ(read_ids(Json::parse(R"([1, "b"])"), "candidates", {}), (std::vector<std::string>{"1", "b"}));
  EXPECT_EQ(refusal_of([] { read_ids(Json::parse(R"(["a", ""])"), "candidates", {}); }),
            "400 candidates[1]: expected an id of 1 to 512 bytes, found 0");
  EXPECT_EQ(refusal_of([] { read_ids(Json::parse("[1,2,3]"), "candidates", {.elements = 2}); }),
            "413 candidates: expected at most 2 ids, found 3");
  EXPECT_EQ(read_floats(Json::parse("[1, -2.5, 3e38]"), "x"), (std::vector<float>{1.0f, -2.5f, 3e38f}));
  EXPECT_EQ(refusal_of([] { read_floats(Json::parse("[1, 4e38]"), "x"); }), "400 x[1]: beyond single precision");
  EXPECT_EQ(refusal_of([] { read_floats(Json::parse("[1, \"2\"]"), "x"); }), "400 x[1]: expected a number, found text");
}

TEST(JsonValues, IntegersAreHeldToTheirRange) {
  const auto integer = [](const std::string& text) { return read_integer(Json::parse(text), "top", 1, 100); };
  EXPECT_EQ(integer("100"), 100);
  for (const std::string wrong : {"0", "101", "-1", "18446744073709551615", "2.0", "\"3\"", "null"}) {
    EXPECT_TRUE(refusal_of([&] { integer(wrong); }).starts_with("400 top: expected an integer from 1 to 100")) << wrong;
  }
  EXPECT_TRUE(read_flag(Json(true), "label"));
  EXPECT_EQ(refusal_of([] { read_flag(Json(1), "label"); }), "400 label: expected true or false, found a number");
}

}  // namespace
}  // namespace neume::serve
