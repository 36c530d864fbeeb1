// Any bytes as an NPY file: refused with a DataError, or every value can be read.

#include <cstdint>
#include <vector>

#include <neume/error.hpp>

#include "data/npy.hpp"
#include "input_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const neume::fuzz::InputFile input(data, size);
  try {
    const neume::data::NpyFile file(input.path());
    std::vector<float> row(file.cols());
    for (std::size_t i = 0; i < file.rows(); ++i) file.read_row(i, row);
    static_cast<void>(file.value(file.rows() - 1, file.cols() - 1));
  } catch (const neume::DataError&) {
  }
  return 0;
}
