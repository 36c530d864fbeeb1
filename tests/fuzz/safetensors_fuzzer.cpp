// Any bytes as a safetensors file: refused with a DataError, or every tensor can be read and its shape fits its values.

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <neume/error.hpp>

#include "data/safetensors.hpp"
#include "input_file.hpp"

namespace {

using neume::data::SafetensorsFile;

/// Whether the tensor has elements of type T; then they are read.
template <class T>
bool read_as(const SafetensorsFile& file, const std::string& name, std::size_t count) {
  std::vector<T> values(count);
  try {
    file.read(name, values);
  } catch (const neume::DataError&) {
    return false;
  }
  return true;
}

void read_tensor(const SafetensorsFile& file, const std::string& name) {
  const auto& shape = file.shape(name);
  const std::size_t count = std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
  const int types = read_as<float>(file, name, count) + read_as<std::uint8_t>(file, name, count) +
                    read_as<std::uint16_t>(file, name, count) + read_as<std::uint32_t>(file, name, count) +
                    read_as<std::uint64_t>(file, name, count) + read_as<std::int32_t>(file, name, count);
  if (types > 1) std::abort();  // none: F64, which nothing of ours reads
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const neume::fuzz::InputFile input(data, size);
  try {
    const SafetensorsFile file(input.path());
    for (const std::string& name : file.names()) read_tensor(file, name);
  } catch (const neume::DataError&) {
  }
  return 0;
}
