#pragma once
// Names for the codes of a new fit, such that most rows keep the code that they had.

#include <cstddef>
#include <span>
#include <vector>

#include <neume/semantic_ids.hpp>

namespace neume::quantize {

/// For every layer the name of each of its codes: as many of the rows as can be have the same code in `before` as they
/// have in `after` when it is renamed (eval::match_names, so greedy above 2,048 codes). Both N x L; sizes: k of each
/// layer. Layers are matched one by one, without loss: what a layer leaves over does not depend on what its code is
/// called, so a new name in one layer changes nothing in the next.
std::vector<std::vector<Code>> names_kept(std::span<const Code> before, std::span<const Code> after,
                                          std::span<const std::size_t> sizes);

}  // namespace neume::quantize
