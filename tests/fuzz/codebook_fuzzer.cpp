// Any bytes as a codebook file: refused with a DataError, or rows can be encoded and decoded with it.
//
// A codebook carries the hash of its description and values, which no random change would meet: the mutator changes one
// part of the file (header, description, values) and then writes the hash that fits, so that what lies behind the check
// is reached, as by somebody who wants to do harm.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <neume/error.hpp>
#include <neume/execution.hpp>
#include <neume/quantizer.hpp>

#include "base/file.hpp"
#include "input_file.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

using Json = nlohmann::ordered_json;

/// A safetensors file in its parts.
struct Parts {
  std::string header;
  std::string values;

  static Parts of(const std::uint8_t* data, std::size_t size) {
    std::uint64_t length = 0;
    std::memcpy(&length, data, std::min(size, sizeof length));
    const std::string rest(reinterpret_cast<const char*>(data) + std::min(size, sizeof length),
                           reinterpret_cast<const char*>(data) + size);
    const std::size_t header_size = std::min<std::uint64_t>(length, rest.size());
    return {rest.substr(0, header_size), rest.substr(header_size)};
  }

  std::string bytes() const {
    const std::uint64_t length = header.size();
    return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + values;
  }
};

void mutate(std::string& text, std::size_t max_growth) {
  const std::size_t size = text.size();
  text.resize(size + max_growth);
  text.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(text.data()), size, text.size()));
}

/// The metadata of a header, or null where it has none as it should be.
Json* metadata_of(Json& header) {
  if (!header.is_object() || !header.contains("__metadata__")) return nullptr;
  Json& metadata = header["__metadata__"];
  const bool is_sound = metadata.is_object() && metadata.contains("neume") && metadata["neume"].is_string();
  return is_sound ? &metadata : nullptr;
}

/// Mutates the description where asked to, and writes the hash that fits it and the values.
void finish(Parts& parts, bool mutate_description) {
  Json header = Json::parse(parts.header, nullptr, false);
  Json* metadata = metadata_of(header);
  if (metadata == nullptr) return;
  auto description = (*metadata)["neume"].get<std::string>();
  if (mutate_description) mutate(description, 64);
  const std::string hashed = description + parts.values;
  (*metadata)["neume"] = description;
  (*metadata)["neume_fingerprint"] = neume::base::fingerprint(std::as_bytes(std::span(hashed)));
  metadata->erase("neume.checksum");
  parts.header = header.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// Encodes and decodes a few rows; codes must lie in their codebooks.
void use(const neume::Quantizer& quantizer) {
  constexpr std::size_t kRows = 3;
  neume::Matrix rows(kRows, quantizer.width());
  for (std::size_t i = 0; i < rows.size(); ++i) rows.data()[i] = static_cast<float>(i % 7) - 3.0f;
  const std::vector<std::size_t> sizes = quantizer.codebook_sizes();
  for (const std::size_t beam : {1, 2}) {
    std::vector<neume::Code> codes;
    try {
      codes = quantizer.encode(rows.view(), {.beam = beam});
    } catch (const neume::DataError&) {  // scale and mean may make a row too large
      continue;
    }
    for (std::size_t i = 0; i < codes.size(); ++i)
      if (codes[i] >= sizes[i % sizes.size()]) std::abort();
    quantizer.decode(codes, rows.view());
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  neume::set_num_threads(1);
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  Parts parts = Parts::of(data, size);
  const unsigned choice = seed % 4;
  if (choice == 0) mutate(parts.header, 64);
  if (choice == 1) mutate(parts.values, 64);
  finish(parts, choice >= 2);
  const std::string bytes = parts.bytes();
  if (bytes.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const neume::fuzz::InputFile input(data, size);
  try {
    use(neume::Quantizer::load(input.path()));
  } catch (const neume::DataError&) {
  }
  return 0;
}
