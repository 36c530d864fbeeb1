#include "data/npy.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "data/fixture_files.hpp"

namespace neume::data {
namespace {

using testing::expect_failure;
using testing::npy_bytes;
using testing::npy_of;

class Npy : public testing::DataFiles {
 protected:
  void expect_refused(const std::string& bytes, const std::vector<std::string>& parts) const {
    const std::string file = write("bad.npy", bytes);
    auto all = parts;
    all.push_back(file);
    expect_failure<DataError>([&] { NpyFile opened(file); }, all);
  }

  static std::vector<float> row(const NpyFile& file, std::size_t index) {
    std::vector<float> values(file.cols());
    file.read_row(index, values);
    return values;
  }
};

TEST_F(Npy, ReadsEveryElementType) {
  const NpyFile f32(write("f32.npy", npy_of<float>("<f4", 2, 3, {1, 2, 3, 4, 5, 6})));
  EXPECT_EQ(f32.rows(), 2U);
  EXPECT_EQ(f32.cols(), 3U);
  EXPECT_EQ(row(f32, 1), (std::vector<float>{4, 5, 6}));
  const NpyFile f64(write("f64.npy", npy_of<double>("<f8", 3, 1, {0.1, -1e300, 1e300})));
  EXPECT_EQ(row(f64, 0), std::vector<float>{0.1F});
  EXPECT_EQ(row(f64, 1), std::vector<float>{-std::numeric_limits<float>::infinity()});
  EXPECT_EQ(f64.value(2, 0), 1e300);
  const NpyFile f16(write("f16.npy", npy_of<std::uint16_t>("<f2", 1, 2, {0x3C00, 0xC500})));
  EXPECT_EQ(row(f16, 0), (std::vector<float>{1.0F, -5.0F}));
}

TEST_F(Npy, HalfPrecisionIsExactForEveryBitPattern) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 31U);
    const int fraction = static_cast<int>(bits & 1023U);
    const float value = half_to_float(static_cast<std::uint16_t>(bits));
    EXPECT_EQ(std::signbit(value), (bits & 0x8000U) != 0) << bits;
    const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    if (exponent < 31) {
      EXPECT_EQ(std::abs(static_cast<double>(value)), magnitude) << bits;
    } else {
      EXPECT_EQ(std::isnan(value), fraction != 0) << bits;
      EXPECT_EQ(std::isinf(value), fraction == 0) << bits;
    }
  }
}

TEST_F(Npy, AcceptsEveryVersionAndAnyLayoutOfTheDict) {
  const std::string data(4, '\0');
  const std::vector<std::string> headers{"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }         \n",
                                         "{\"shape\":(1,1),\"descr\":\"<f4\",\"fortran_order\":False}",
                                         " { 'fortran_order' :False ,'shape': ( 1 , 1 , ) , 'descr': '<f4' } "};
  for (const auto& header : headers) {
    for (const char major : {'\1', '\2', '\3'}) {
      const NpyFile file(write("v.npy", npy_bytes(header, data, major)));
      EXPECT_EQ(file.rows(), 1U);
      EXPECT_EQ(file.cols(), 1U);
    }
  }
}

TEST_F(Npy, SaysWhatIsWrong) {
  const std::string four(4, '\0');
  const auto with = [&](const std::string& header) { return npy_bytes(header, four); };
  expect_refused("", {"expected an NPY file", "0 bytes"});
  expect_refused("PK\3\4 this is a zip archive", {"expected an NPY file", "\\x93NUMPY"});
  expect_refused(npy_bytes("{}", "", 4), {"expected NPY version 1.0, 2.0 or 3.0, found 4.0"});
  expect_refused(with("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1)}"),
                 {"fortran_order True", "numpy.ascontiguousarray"});
  expect_refused(with("{'descr': '>f4', 'fortran_order': False, 'shape': (1, 1)}"),
                 {">f4", "big-endian", "astype('<f4')"});
  expect_refused(with("{'descr': '<i8', 'fortran_order': False, 'shape': (1, 1)}"), {"found <i8", "<f2, <f4 or <f8"});
  expect_refused(with("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 1)}"),
                 {"expected one element type"});
  expect_refused(with("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}"),
                 {"expected 2 dimensions", "found 1: (1)"});
  expect_refused(with("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1)}"), {"found 3: (1, 1, 1)"});
  expect_refused(with("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4)}"), {"empty", "(0, 4)"});
  expect_refused(with("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 0)}"), {"empty", "(4, 0)"});
  expect_refused(with("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}"),
                 {"truncated", "expected 24 bytes", "(2, 3)", "found 4"});
  expect_refused(npy_of<float>("<f4", 1, 1, {1, 2}), {"expected 4 bytes", "found 8"});
  expect_refused(with("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967297)}"),
                 {"truncated", "2^64"});
  expect_refused(with("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 1)}"),
                 {"whole number"});
  expect_refused(with("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 1)}"), {"whole number", "\"-1, 1)}\""});
  expect_refused(with("{'descr': '<f4', 'fortran_order': False}"), {"descr, fortran_order and shape"});
  expect_refused(with("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1, 1)}"),
                 {"once each", "key descr"});
  expect_refused(with("{'descr': '<f4', 'other': '<f4', 'fortran_order': False, 'shape': (1, 1)}"), {"key other"});
  expect_refused(with("{'descr': '<f4', 'fortran_order': false, 'shape': (1, 1)}"), {"True or False", "false"});
  expect_refused(with("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1)} x"), {"end of the header", "\"x\""});
  expect_failure<DataError>([&] { NpyFile opened(path("absent.npy")); }, {path("absent.npy"), "No such file"});
}

TEST_F(Npy, TruncationAtEveryByteIsAnError) {
  const std::string whole = npy_of<float>("<f4", 2, 2, {1, 2, 3, 4});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = write("cut.npy", whole.substr(0, size));
    EXPECT_THROW(NpyFile{cut}, DataError) << size;
  }
}

TEST_F(Npy, FlippedHeaderBitsAreAnErrorOrChangeNothing) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const std::string whole = npy_of<float>("<f4", 2, 3, values);
  const std::size_t header_bytes = whole.size() - values.size() * sizeof(float);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < header_bytes * 8; ++i) {
    std::string flipped = whole;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << (i % 8)));
    const std::string name = write("flipped.npy", flipped);
    try {
      const NpyFile file(name);
      EXPECT_EQ(row(file, 1), (std::vector<float>{4, 5, 6})) << i;
    } catch (const DataError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, header_bytes * 7);
}

}  // namespace
}  // namespace neume::data
