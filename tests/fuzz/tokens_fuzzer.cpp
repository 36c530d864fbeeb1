// Any bytes as a file of tokens: refused with a DataError, or every header can be checked against it.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <neume/error.hpp>

#include "input_file.hpp"
#include "serve/access.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace neume::serve;  // NOLINT: a program of one file
  const neume::fuzz::InputFile input(data, size);
  try {
    const Access access = Access::from_file(input.path());
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    // Nobody knows a token of which only the hash was written.
    if (access.check(text, Scope::read) == Verdict::granted || access.is_open()) std::abort();
    static_cast<void>(access.check("Bearer x", Scope::admin));
  } catch (const neume::DataError&) {
  }
  return 0;
}
