#include "data/safetensors.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <numeric>

#include "data/fixture_files.hpp"

namespace neume::data {
namespace {

using testing::expect_failure;

class Safetensors : public testing::DataFiles {
 protected:
  /// A file as another writer would make it: without checksum and padding.
  std::string foreign(const std::string& header, const std::string& data) const {
    std::string bytes(8, '\0');
    const std::uint64_t length = header.size();
    std::memcpy(bytes.data(), &length, 8);
    return write("foreign.safetensors", bytes + header + data);
  }

  void expect_refused(const std::string& header, const std::string& data, const std::vector<std::string>& parts) const {
    const std::string file = foreign(header, data);
    auto all = parts;
    all.push_back(file);
    expect_failure<DataError>([&] { SafetensorsFile opened(file); }, all);
  }

  std::string small_file() const {
    const std::vector<float> values{1.5F, -2.0F, 0.25F, 8.0F, 0.0F, -0.5F};
    const std::vector<std::uint16_t> codes{7, 65535};
    const std::vector<TensorView> tensors{tensor_of("weight", {2, 3}, std::span(values)),
                                          tensor_of("codes", {2}, std::span(codes))};
    write_safetensors(path("small.safetensors"), tensors, {{"neume", "{\"k\": 3}"}});
    return path("small.safetensors");
  }
};

TEST_F(Safetensors, RoundTripKeepsEveryBit) {
  const std::vector<float> floats{0.0F, -0.0F, std::bit_cast<float>(0x7FC01234U), 1e-40F, 3e38F};
  const std::vector<std::uint16_t> u16{0, 1, 65535};
  const std::vector<std::uint32_t> u32{0, 4'000'000'000U};
  const std::vector<std::uint64_t> u64{~std::uint64_t{0}};
  const std::vector<std::uint8_t> u8{};
  const std::vector<std::int32_t> i32{-1, 7};
  const std::vector<TensorView> tensors{
      tensor_of("f", {5, 1}, std::span(floats)), tensor_of("a/16", {3}, std::span(u16)),
      tensor_of("32", {1, 2}, std::span(u32)),   tensor_of("scalar", {}, std::span(u64)),
      tensor_of("none", {0, 7}, std::span(u8)),  tensor_of("signed", {2}, std::span(i32))};
  const std::map<std::string, std::string> metadata{{"neume", "{\"a\": \"\\u00e9\\n\"}"}, {"other", "é"}};
  write_safetensors(path("t.safetensors"), tensors, metadata);
  const SafetensorsFile file(path("t.safetensors"));
  EXPECT_EQ(file.metadata(), metadata);
  EXPECT_EQ(file.names(), (std::vector<std::string>{"32", "a/16", "f", "none", "scalar", "signed"}));
  EXPECT_EQ(file.shape("f"), (std::vector<std::size_t>{5, 1}));
  EXPECT_EQ(file.shape("scalar"), (std::vector<std::size_t>{}));
  EXPECT_EQ(file.shape("none"), (std::vector<std::size_t>{0, 7}));
  std::vector<float> floats_read(5);
  std::vector<std::uint16_t> u16_read(3);
  std::vector<std::uint32_t> u32_read(2);
  std::vector<std::uint64_t> u64_read(1);
  std::vector<std::uint8_t> u8_read(0);
  std::vector<std::int32_t> i32_read(2);
  file.read("f", std::span(floats_read));
  file.read("a/16", std::span(u16_read));
  file.read("32", std::span(u32_read));
  file.read("scalar", std::span(u64_read));
  file.read("none", std::span(u8_read));
  file.read("signed", std::span(i32_read));
  EXPECT_EQ(std::memcmp(floats.data(), floats_read.data(), 20), 0);
  EXPECT_EQ(u16, u16_read);
  EXPECT_EQ(u32, u32_read);
  EXPECT_EQ(u64, u64_read);
  EXPECT_EQ(i32, i32_read);
}

TEST_F(Safetensors, WritesTheGoldenBytes) {
  const std::vector<std::uint8_t> values{1, 2, 3};
  write_safetensors(path("g.safetensors"), std::vector{tensor_of("t", {3}, std::span(values))}, {{"v", "1"}});
  const std::string header = R"({"__metadata__":{"v":"1","neume.checksum":"@"},)"
                             R"("t":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})";
  const std::string bytes = base::read_file(path("g.safetensors"));
  const std::size_t place = header.find('@');
  ASSERT_EQ(bytes.size(), 128U + 3U);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x78\0\0\0\0\0\0\0", 8));  // 120 = 128 - 8
  EXPECT_EQ(bytes.substr(8, place), header.substr(0, place));
  EXPECT_EQ(bytes.substr(8 + place, 16), "9c1c8faa5aff8731");
  EXPECT_EQ(bytes.substr(8 + place + 16, header.size() - place - 1), header.substr(place + 1));
  EXPECT_EQ(bytes.substr(8 + header.size() + 15), std::string(128 - 8 - header.size() - 15, ' ') + "\x01\x02\x03");
}

TEST_F(Safetensors, TruncationAtEveryByteIsAnError) {
  const std::string whole = base::read_file(small_file());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = write("cut.safetensors", whole.substr(0, size));
    EXPECT_THROW(SafetensorsFile{cut}, DataError) << size;
  }
  const std::string longer = write("longer.safetensors", whole + "x");
  expect_failure<DataError>([&] { SafetensorsFile opened(longer); }, {longer, "expected 28 bytes", "found 29"});
}

TEST_F(Safetensors, EveryFlippedBitIsAnErrorOrChangesNoTensor) {
  const std::string whole = base::read_file(small_file());
  std::vector<float> expected(6);
  std::vector<std::uint16_t> expected_codes(2);
  SafetensorsFile(small_file()).read("weight", std::span(expected));
  SafetensorsFile(small_file()).read("codes", std::span(expected_codes));
  std::size_t refused = 0;
  for (std::size_t i = 0; i < whole.size() * 8; ++i) {
    std::string flipped = whole;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    const std::string file = write("flipped.safetensors", flipped);
    try {
      const SafetensorsFile opened(file);
      std::vector<float> values(6);
      std::vector<std::uint16_t> codes(2);
      opened.read("weight", std::span(values));
      opened.read("codes", std::span(codes));
      EXPECT_EQ(values, expected) << i;
      EXPECT_EQ(codes, expected_codes) << i;
    } catch (const DataError&) {
      ++refused;
    }
  }
  // Only a change of the checksum's own key can pass: 14 letters, 7 or 8 bits each.
  EXPECT_GE(refused, whole.size() * 8 - 14 * 8);
}

TEST_F(Safetensors, ReadsFilesOfOtherWriters) {
  const std::string file = foreign(R"({"b":{"data_offsets":[4,6],"shape":[1],"dtype":"U16"}, )"
                                   R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}   )",
                                   std::string("\0\0\x80\x3F\x05\0", 6));
  const SafetensorsFile opened(file);
  std::vector<float> a(1);
  std::vector<std::uint16_t> b(1);
  opened.read("a", std::span(a));
  opened.read("b", std::span(b));
  EXPECT_EQ(a[0], 1.0F);
  EXPECT_EQ(b[0], 5);
  EXPECT_TRUE(opened.metadata().empty());
}

TEST_F(Safetensors, SaysWhatIsWrongWithAHeader) {
  const std::string four(4, '\0');
  expect_refused(R"([1])", "", {"JSON object"});
  expect_refused(R"({"a":)", "", {"not JSON"});
  expect_refused(std::string("{\"a\xFF\":1}"), "", {"not JSON"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":1})", four, {"key a twice"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[1]}})", four, {"tensor a", "data_offsets"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", four, {"tensor a", "exactly"});
  expect_refused(R"({"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})", four, {"tensor a", "found BF16"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", four, {"tensor a", "shape"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", four, {"tensor a", "shape"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", four,
                 {"tensor a", "shape [2]", "4 bytes"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "", {"tensor a", "outside", "truncated"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", four, {"tensor a", "outside"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}})", four, {"tensor a", "outside"});
  // 2^62 * 4 bytes wraps to 0 in 64 bits.
  expect_refused(R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", "",
                 {"tensor a", "match"});
  expect_refused(
      R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}})",
      four, {"expected a tensor to begin at byte 2, found 1"});
  expect_refused(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})", four, {"begin at byte 0, found 2"});
  expect_refused(R"({"__metadata__":{"a":1}})", "", {"metadata a", "expected text"});
  expect_refused(R"({"__metadata__":[]})", "", {"__metadata__"});
}

TEST_F(Safetensors, RefusesAHugeHeaderLength) {
  for (const char last : {'\x01', '\x7F', '\xFF'}) {
    const std::string file = write("huge.safetensors", std::string(7, '\xFF') + last + "{}");
    expect_failure<DataError>([&] { SafetensorsFile opened(file); }, {file, "expected a header of", "found 2 bytes"});
  }
}

TEST_F(Safetensors, ReadNamesTheTensorAndBothSizes) {
  const std::string name = small_file();
  const SafetensorsFile file(name);
  std::vector<float> five(5);
  std::vector<std::uint16_t> six(6);
  expect_failure<DataError>([&] { file.read("weight", std::span(five)); }, {name, "weight", "expected 5", "found 6"});
  expect_failure<DataError>([&] { file.read("weight", std::span(six)); },
                            {name, "weight", "expected elements U16", "F32"});
  expect_failure<DataError>([&] { file.read("bias", std::span(five)); }, {name, "tensor bias", "codes, weight"});
  expect_failure<DataError>([&] { (void)file.shape("bias"); }, {name, "tensor bias"});
  EXPECT_TRUE(file.has("codes"));
  EXPECT_FALSE(file.has("bias"));
}

TEST_F(Safetensors, WriteRefusesWhatCannotBeRead) {
  const std::vector<float> two{1.0F, 2.0F};
  const auto write_one = [&](const std::string& name, std::vector<std::size_t> shape) {
    const std::vector<TensorView> tensors{tensor_of("a", {2}, std::span(two)),
                                          tensor_of(name, std::move(shape), std::span(two))};
    write_safetensors(path("w.safetensors"), tensors, {});
  };
  expect_failure<InvalidArgument>([&] { write_one("a", {2}); }, {"tensor name a"});
  expect_failure<InvalidArgument>([&] { write_one("__metadata__", {2}); }, {"__metadata__"});
  expect_failure<InvalidArgument>([&] { write_one("b", {3}); }, {"tensor b", "[3]", "8 bytes"});
  expect_failure<InvalidArgument>([&] { write_one("\xFF", {2}); }, {"UTF-8"});
  EXPECT_FALSE(std::filesystem::exists(path("w.safetensors")));
}

}  // namespace
}  // namespace neume::data
