#pragma once
// Which vector instructions run: what the machine has, or less where NEUME_MAX_ISA asks for it.

#include <string>

namespace neume::app {

/// Holds Highway and oneDNN to the instruction set in the environment variable NEUME_MAX_ISA (avx2 or avx512). To be
/// called before any work. Throws InvalidArgument for another value.
void limit_instruction_set();

/// Name of the Highway target that kernels run on, such as AVX3_ZEN4 or AVX2.
std::string highway_target();

/// Name of the best instruction set that oneDNN uses.
std::string onednn_instruction_set();

}  // namespace neume::app
