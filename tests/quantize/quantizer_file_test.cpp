// The codebook file: round trip, the bytes of version 1, and damage.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <neume/error.hpp>
#include <neume/quantizer.hpp>

#include "base/file.hpp"
#include "quantize/sample_rows.hpp"

namespace neume {
namespace {

namespace fs = std::filesystem;

class QuantizerFile : public testing::Test {
 protected:
  QuantizerFile() : folder_(fs::temp_directory_path() / ("neume-codebook-" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
  }
  ~QuantizerFile() override { fs::remove_all(folder_); }

  fs::path path(const std::string& name) const { return folder_ / name; }
  void write(const std::string& name, const std::string& bytes) const {
    fs::remove(path(name));  // writing over an old file makes some file systems wait for the disk
    std::ofstream(path(name), std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  std::string read(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  fs::path folder_;
};

TEST_F(QuantizerFile, RoundTrip) {
  const Matrix data = mixture_rows(500, 9, 40, 1);
  for (const double lambda : {0.0, 0.6}) {
    for (const auto scaling : {Scaling::none, Scaling::rms, Scaling::l2}) {
      QuantizerOptions options = small_options(QuantizerMethod::psrq, lambda);
      options.codes = {16, 9, 12};
      const QuantizerFit fit = Quantizer::fit(data.clone(), {{"text", "audio"}, {4, 5}, scaling}, options);
      fit.quantizer.save(path("a"));
      const Quantizer loaded = Quantizer::load(path("a"));
      EXPECT_EQ(encode_rows(loaded, data.view()), fit.codes);
      EXPECT_EQ(loaded.shape().block_names, fit.quantizer.shape().block_names);
      EXPECT_EQ(loaded.shape().block_widths, fit.quantizer.shape().block_widths);
      EXPECT_EQ(loaded.shape().scaling, scaling);
      EXPECT_EQ(loaded.codebook_sizes(), options.codes);
      EXPECT_EQ(loaded.options().prefix_weight, lambda);
      EXPECT_EQ(loaded.options().seed, options.seed);
      for (std::size_t l = 0; l < 3; ++l) {
        EXPECT_EQ(loaded.reports()[l].objective, fit.quantizer.reports()[l].objective);
        EXPECT_EQ(layer_of(loaded, l).bias, layer_of(fit.quantizer, l).bias);
        EXPECT_EQ(layer_of(loaded, l).tables.size(), layer_of(fit.quantizer, l).tables.size());
      }
      loaded.save(path("b"));
      EXPECT_EQ(read("a"), read("b"));
    }
  }
}

TEST_F(QuantizerFile, SameBytesForAnyNumberOfThreads) {
  const Matrix data = mixture_rows(3000, 9, 40, 2);
  for (const std::size_t threads : {1u, 2u, 3u}) {
    const Threads scope(threads);
    fit_rows(data, small_options(), Scaling::rms).quantizer.save(path(std::to_string(threads)));
  }
  EXPECT_EQ(read("1"), read("2"));
  EXPECT_EQ(read("1"), read("3"));
}

/// A file of version 1 as another program would write it: d = 2, k = (3, 2), lambda = 0.5.
std::string golden_bytes(const std::string& description, const std::string& fingerprint, std::vector<float> values) {
  const auto quoted = [](const std::string& text) {
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? std::string("\\\"") : std::string(1, c);
    return out + "\"";
  };
  std::string header = "{\"__metadata__\":{\"neume\":" + quoted(description) + ",\"neume_fingerprint\":\"" +
                       fingerprint +
                       "\"},\"layer0.centroids\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]},"
                       "\"layer1.centroids\":{\"dtype\":\"F32\",\"shape\":[2,4],\"data_offsets\":[24,56]},"
                       "\"mean\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[56,64]},"
                       "\"scale\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[64,72]}}";
  while ((8 + header.size()) % 64 != 0) header += ' ';
  std::string bytes;
  for (std::size_t b = 0; b < 8; ++b) bytes += static_cast<char>(header.size() >> (8 * b) & 0xFF);
  bytes += header;
  for (const float value : values) {
    std::uint32_t word;
    std::memcpy(&word, &value, 4);
    for (std::size_t b = 0; b < 4; ++b) bytes += static_cast<char>(word >> (8 * b) & 0xFF);
  }
  return bytes;
}

const char* const kGoldenDescription =
    R"({"version":1,"method":"psrq","L":2,"d":2,"k":[3,2],"prefix_weight":0.5,"iterations":25,"tolerance":1e-05,)"
    R"("seed":7,"scaling":"rms","block_names":["text","audio"],"block_widths":[1,1],"objective":[[2.5,2.0],[1.0]],)"
    R"("reseeded":[1,0]})";
const char* const kGoldenFingerprint = "de0a2e0197d4c561";
const std::vector<float> kGoldenValues = {0,  0,  4, 0,  0, 4,        // layer 0
                                          1,  0,  4, 0,  0, 1, 0, 4,  // layer 1: residual half, prefix half
                                          10, 20, 2, 0.5};            // mean, scale

TEST_F(QuantizerFile, GoldenFileOfVersion1) {
  write("golden", golden_bytes(kGoldenDescription, kGoldenFingerprint, kGoldenValues));
  const Quantizer quantizer = Quantizer::load(path("golden"));
  EXPECT_EQ(quantizer.codebook_sizes(), (std::vector<std::size_t>{3, 2}));
  EXPECT_EQ(quantizer.options().method, QuantizerMethod::psrq);
  EXPECT_EQ(quantizer.options().prefix_weight, 0.5);
  EXPECT_EQ(quantizer.shape().block_names, (std::vector<std::string>{"text", "audio"}));
  EXPECT_EQ(quantizer.reports()[0].objective, (std::vector<double>{2.5, 2.0}));
  EXPECT_EQ(quantizer.reports()[0].reseeded, 1u);
  EXPECT_EQ(layer_of(quantizer, 1).prefix.row(1)[1], 4.0f);
  // x' = (4.5, 0) and (0, 5): codes 1 and 2 in layer 0; residuals (.5, 0) and (0, 1) with prefixes (4, 0) and (0, 4).
  Matrix rows(2, 2);
  rows.row(0)[0] = 12.25f;
  rows.row(0)[1] = 20.0f;
  rows.row(1)[0] = 10.0f;
  rows.row(1)[1] = 30.0f;
  EXPECT_EQ(encode_rows(quantizer, rows.view()), (std::vector<Code>{1, 0, 2, 1}));
  EXPECT_FALSE(quantizer.statistics()) << "version 1 has none";
}

TEST_F(QuantizerFile, StatisticsComeBack) {
  const Quantizer quantizer = fit_rows(mixture_rows(400, 6, 40, 1), small_options()).quantizer;
  quantizer.save(path("a"));
  const Quantizer loaded = Quantizer::load(path("a"));
  ASSERT_TRUE(quantizer.statistics() && loaded.statistics());
  EXPECT_EQ(loaded.statistics()->rows, 400u);
  for (std::size_t l = 0; l < 3; ++l) {
    const LayerStatistics &before = quantizer.statistics()->layers[l], &after = loaded.statistics()->layers[l];
    EXPECT_EQ(after.quantiles, before.quantiles);
    EXPECT_EQ(after.usage, before.usage);
    EXPECT_EQ(after.mean, before.mean);
    EXPECT_EQ(after.deviation, before.deviation);
  }
}

// One byte of the last tensor, a usage: the fingerprint covers it.
TEST_F(QuantizerFile, DamagedStatisticsAreFound) {
  fit_rows(mixture_rows(400, 6, 40, 1), small_options()).quantizer.save(path("a"));
  std::string bytes = read("a");
  for (const std::size_t from_end : {1u, 2u, 70u, 200u}) {
    std::string bad = bytes;
    bad[bad.size() - from_end] = static_cast<char>(bad[bad.size() - from_end] ^ 0x40);
    write("bad", bad);
    EXPECT_THROW(Quantizer::load(path("bad")), DataError) << from_end;
  }
}

TEST_F(QuantizerFile, DamageIsFound) {
  const std::string good = golden_bytes(kGoldenDescription, kGoldenFingerprint, kGoldenValues);
  for (std::size_t size = 0; size < good.size(); ++size) {
    write("cut", good.substr(0, size));
    EXPECT_THROW(Quantizer::load(path("cut")), DataError) << size;
  }
  for (std::size_t place = 0; place < good.size(); ++place) {
    for (const int flip : {0x01, 0x80}) {
      std::string bad = good;
      bad[place] = static_cast<char>(bad[place] ^ flip);
      write("flipped", bad);
      EXPECT_THROW(Quantizer::load(path("flipped")), DataError)
          << place << " " << flip << " " << good.substr(place, 20);
    }
  }
  EXPECT_THROW(Quantizer::load(path("absent")), DataError);
}

/// Loads the golden file with one part of its description replaced, and a fingerprint that fits, and returns the error.
std::string message_with(const fs::path& file, const std::string& from, const std::string& to,
                         std::vector<float> values) {
  std::string description = kGoldenDescription;
  if (!from.empty()) description.replace(description.find(from), from.size(), to);
  std::string hashed = description;
  hashed.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  const std::string fingerprint = base::fingerprint(std::as_bytes(std::span(hashed)));
  const std::string bytes = golden_bytes(description, fingerprint, values);
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  try {
    Quantizer::load(file);
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find(file.string()), std::string::npos) << error.what();
    return error.what();
  }
  return "loaded";
}

TEST_F(QuantizerFile, ImpossibleDescriptionsAreNamed) {
  const auto message = [&](const std::string& from, const std::string& to) {
    return message_with(path("odd"), from, to, kGoldenValues);
  };
  EXPECT_EQ(message("", ""), "loaded");
  EXPECT_NE(message("\"version\":1", "\"version\":4").find("version 4"), std::string::npos);
  EXPECT_NE(message("psrq", "xpq").find("\"xpq\""), std::string::npos);
  EXPECT_NE(message("rms", "max").find("\"max\""), std::string::npos);
  EXPECT_NE(message("[3,2]", "[3,3]").find("layer1.centroids"), std::string::npos);
  EXPECT_NE(message("[1,1]", "[1,2]").find("contradicts"), std::string::npos);
  EXPECT_NE(message("0.5", "0.0").find("[2, 4], expected [2, 2]"), std::string::npos);
  EXPECT_NE(message("\"L\":2", "\"L\":1").find("contradicts"), std::string::npos);
  EXPECT_NE(message("\"seed\":7", "\"seed\":\"x\"").find("not as expected"), std::string::npos);
  EXPECT_NE(message("\"d\":2", "\"e\":2").find("not as expected"), std::string::npos);
  EXPECT_NE(message("[1,1]", "[9223372036854775809,9223372036854775809]").find("contradicts"), std::string::npos);
  EXPECT_NE(message("[3,2]", "[65535,65535]").find("tables of all pairs of layers would take 16.0 GiB"),
            std::string::npos);
  std::vector<float> values = kGoldenValues;
  values[5] = std::nanf("");
  EXPECT_NE(message_with(path("odd"), "", "", values).find("value 5 is nan"), std::string::npos);
  values = kGoldenValues;
  values.back() = 0.0f;
  EXPECT_NE(message_with(path("odd"), "", "", values).find("not positive"), std::string::npos);
}

TEST_F(QuantizerFile, FailedSaveLeavesTheOldFile) {
  const Matrix data = mixture_rows(100, 4, 20, 1);
  const QuantizerFit fit = fit_rows(data, small_options());
  write("file", "not a folder");
  EXPECT_THROW(fit.quantizer.save(path("file") / "x.safetensors"), DataError);
  EXPECT_EQ(read("file"), "not a folder");
}

}  // namespace
}  // namespace neume
