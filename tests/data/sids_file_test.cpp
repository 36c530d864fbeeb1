#include "data/sids_file.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <neume/error.hpp>

#include "data/fixture_files.hpp"
#include "data/sids_origin.hpp"

namespace neume::data {
namespace {

using testing::expect_failure;

void expect_equal(const SemanticIds& found, const SemanticIds& expected) {
  EXPECT_EQ(found.items, expected.items);
  ASSERT_EQ(found.families.size(), expected.families.size());
  for (std::size_t f = 0; f < expected.families.size(); ++f) {
    EXPECT_EQ(found.families[f].name, expected.families[f].name);
    EXPECT_EQ(found.families[f].codebook_sizes, expected.families[f].codebook_sizes);
    EXPECT_EQ(found.families[f].codes, expected.families[f].codes);
  }
}

SemanticIds small_ids() {
  return {ItemIds(ItemIds::Texts{"b", "a", "\"q\" é"}),
          {{"text", {4, 65535}, {3, 65534, kNoCode, kNoCode, 0, 0}}, {"audio", {2}, {1, 0, kNoCode}}}};
}

class SidsFile : public testing::DataFiles {
 protected:
  /// A Parquet file with these rows and this text under the metadata key "neume".
  std::string forged(const std::string& rows, const std::string& metadata) const {
    Database database("forged");
    database.execute("COPY (" + rows + ") TO " + sql_text(path("forged.parquet")) +
                     " (FORMAT parquet, KV_METADATA {neume: " + sql_text(metadata) + "})");
    return path("forged.parquet");
  }

  void expect_refused(const std::string& file, const std::vector<std::string>& parts) const {
    auto all = parts;
    all.push_back(file);
    expect_failure<DataError>([&] { read_semantic_ids(file); }, all);
  }
};

TEST_F(SidsFile, RoundTripKeepsEverything) {
  write_semantic_ids(path("s.parquet"), small_ids());
  expect_equal(read_semantic_ids(path("s.parquet")), small_ids());
  SemanticIds many{ItemIds::row_numbers(10'000), {{"zebra", {7, 300, 2}, {}}, {"alpha", {11}, {}}}};
  for (std::size_t i = 0; i < 10'000; ++i) {
    const bool has = i % 5 != 0;
    for (const std::size_t k : {7, 300, 2})
      many.families[0].codes.push_back(has ? static_cast<Code>(i * 31 % k) : kNoCode);
    many.families[1].codes.push_back(static_cast<Code>(i % 11));
  }
  write_semantic_ids(path("many.parquet"), many);
  expect_equal(read_semantic_ids(path("many.parquet")), many);
  const SemanticIds none{ItemIds(), {{"text", {4}, {}}}};
  write_semantic_ids(path("none.parquet"), none);
  expect_equal(read_semantic_ids(path("none.parquet")), none);
}

TEST_F(SidsFile, OriginsComeBack) {
  const std::vector<CodeOrigin> origins{{"0123456789abcdef", 4, "suffix", {2, 3}},
                                        {"fedcba9876543210", 4, "suffix", {}}};
  write_semantic_ids(path("s.parquet"), small_ids(), origins);
  EXPECT_EQ(read_origins(path("s.parquet")), origins);
  expect_equal(read_semantic_ids(path("s.parquet")), small_ids());
  write_semantic_ids(path("plain.parquet"), small_ids());
  EXPECT_TRUE(read_origins(path("plain.parquet")).empty());
  EXPECT_THROW(write_semantic_ids(path("s.parquet"), small_ids(), {origins[0]}), InvalidArgument);
}

TEST_F(SidsFile, TheTableIsAsDocumented) {
  write_semantic_ids(path("s.parquet"), small_ids());
  Database database("s");
  QueryRows rows =
      database.query("SELECT string_agg(column_name || ' ' || column_type, ', ') FROM (DESCRIBE SELECT * FROM " +
                     sql_text(path("s.parquet")) + ")");
  rows.next();
  EXPECT_EQ(rows.column(0).text(0), "item_id VARCHAR, text USMALLINT[], audio USMALLINT[]");
}

TEST_F(SidsFile, ReadsTheFileOfVersionOne) {
  expect_equal(read_semantic_ids(std::filesystem::path(NEUME_SOURCE_DIR) / "tests/data/golden/sids_v1.parquet"),
               small_ids());
}

TEST_F(SidsFile, SaysWhatIsWrong) {
  const std::string metadata =
      R"({"format":"neume-sids","version":1,"families":[{"name":"t","codebook_sizes":[4,2]}],"content":"0"})";
  const auto rows = [](const std::string& values) {
    return "SELECT item_id, t::USMALLINT[] AS t FROM (VALUES " + values + ") v(item_id, t)";
  };
  expect_refused(path("absent.parquet"), {"no such file"});
  expect_refused(write("garbage.parquet", "no parquet file at all"), {"arquet"});
  expect_refused(write_parquet("plain.parquet", rows("(1, [0, 0])")),
                 {"not a sound sids file", "metadata", "neume encode"});
  expect_refused(forged(rows("(1, [0, 0])"), "{"), {"metadata are broken"});
  expect_refused(forged(rows("(1, [0, 0])"), "{}"), {"metadata are broken", "format"});
  expect_refused(forged(rows("(1, [0, 0])"), R"({"format":"neume-sids","version":2})"),
                 {"expected format neume-sids version 1", "version 2"});
  expect_refused(forged(rows("(1, [0, 0])"), R"({"format":"neume-sids","version":1,"families":[],"content":""})"),
                 {"at least one code family"});
  expect_refused(
      forged(rows("(1, [0, 0])"),
             R"({"format":"neume-sids","version":1,"families":[{"name":"t","codebook_sizes":[65536]}],"content":""})"),
      {"family t", "out of range"});
  expect_refused(forged("SELECT 1 AS item_id, [1] AS u", metadata), {"expected a column t", "item_id, u"});
  expect_refused(forged("SELECT 1 AS item_id, [1::BIGINT] AS t", metadata),
                 {"column t", "expected USMALLINT[]", "BIGINT[]"});
  expect_refused(forged("SELECT [1::USMALLINT] AS t", metadata), {"expected a column item_id"});
  expect_refused(forged(rows("(1, [0, 0]), (2, [0])"), metadata), {"row 1 (0-based)", "t: expected 2 codes, found 1"});
  expect_refused(forged(rows("(1, [0, 0]), (2, [3, 2])"), metadata), {"row 1", "layer 1", "below 2, found 2"});
  expect_refused(forged(rows("(1, [0, NULL])"), metadata), {"row 0", "layer 1", "found null"});
  expect_refused(forged(rows("(1, [0, 0]), (1, [0, 0])"), metadata), {"row 1", "item 1", "row 0 already"});
  expect_refused(forged(rows("(1, [0, 0]), (NULL, [0, 0])"), metadata), {"row 1", "item id", "found null"});
  expect_refused(forged(rows("(1, [0, 0])"), metadata), {"fingerprint 0", "changed after it was written"});
}

TEST_F(SidsFile, ADamagedFileIsNeverReadAsOtherCodes) {
  write_semantic_ids(path("s.parquet"), small_ids());
  const std::string whole = base::read_file(path("s.parquet"));
  for (std::size_t size = 0; size < whole.size(); size += 29) {
    const auto cut = write("cut.parquet", whole.substr(0, size));
    EXPECT_THROW(read_semantic_ids(cut), DataError) << size;
  }
  for (std::size_t i = 0; i < whole.size(); i += 13) {
    std::string flipped = whole;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    const auto file = write("flipped.parquet", flipped);
    try {
      const SemanticIds found = read_semantic_ids(file);
      EXPECT_EQ(found.items, small_ids().items) << i;
      EXPECT_EQ(found.families.at(0).codes, small_ids().families[0].codes) << i;
    } catch (const DataError&) {
    }
  }
}

TEST_F(SidsFile, WriteRefusesCodesThatDoNotFit) {
  const auto refused = [&](std::vector<std::size_t> sizes, std::vector<Code> codes, const std::string& part) {
    const SemanticIds ids{ItemIds::row_numbers(2), {{"t", std::move(sizes), std::move(codes)}}};
    expect_failure<InvalidArgument>([&] { write_semantic_ids(path("w.parquet"), ids); }, {"family t", part});
    expect_failure<InvalidArgument>([&] { write_semantic_ids_json(path("w.jsonl"), ids); }, {"family t", part});
  };
  refused({2, 2}, {0, 0, 0}, "found 3");
  refused({2, 2}, {0, 0, 0, 2}, "code 2");
  refused({2, 2}, {0, 0, 0, kNoCode}, "code 65535");
  refused({2, 2}, {0, 0, kNoCode, 1}, "code 1");
  refused({}, {}, "0 layers");
  EXPECT_THROW(write_semantic_ids(path("w.parquet"), {ItemIds::row_numbers(1), {}}), InvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(path("w.parquet")));
}

TEST_F(SidsFile, JsonLinesAreForTheEyes) {
  write_semantic_ids_json(path("s.jsonl"), small_ids());
  const std::string text = base::read_file(path("s.jsonl"));
  EXPECT_EQ(text,
            "{\"item\": \"b\", \"text\": [\"<a_3>\", \"<b_65534>\"], \"audio\": [\"<a_1>\"]}\n"
            "{\"item\": \"a\", \"text\": null, \"audio\": [\"<a_0>\"]}\n"
            "{\"item\": \"\\\"q\\\" é\", \"text\": [\"<a_0>\", \"<b_0>\"], \"audio\": null}\n");
  write_semantic_ids_json(path("n.jsonl"), {ItemIds(ItemIds::Integers{-5}), {{"t", {1}, {0}}}});
  EXPECT_EQ(nlohmann::json::parse(base::read_file(path("n.jsonl")))["item"], -5);
}

}  // namespace
}  // namespace neume::data
