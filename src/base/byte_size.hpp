#pragma once
// Sizes of memory as users write them.

#include <cstddef>
#include <string>
#include <string_view>

namespace neume::base {

/// Bytes of "2GiB", "500 MB", "1.5g" or "4096": a number, then K, M, G or T (alone or with iB: powers of 1024; with B:
/// powers of 1000) or B, in upper or lower case. Fractions are rounded down. Throws InvalidArgument for anything else
/// and for sizes that are 0 or above 2^62.
std::size_t parse_bytes(std::string_view text);

/// A size for messages, rounded up to a tenth: "1.5 GiB", "312 B". What parse_bytes makes of it is never less.
std::string bytes_text(std::size_t bytes);

}  // namespace neume::base
