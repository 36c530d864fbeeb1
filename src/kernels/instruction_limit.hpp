#pragma once
// What kernels that check the CPU themselves are held to. Highway and oneDNN are told once; these ask.

#include <optional>

#include <neume/execution.hpp>

namespace neume::kernels {

/// The lower one of what neume::limit_instruction_set() and NEUME_MAX_ISA hold this process to (a value of the variable
/// that is not `avx2` counts as `avx512`); nothing where neither does. Any thread may ask.
std::optional<InstructionSet> instruction_limit();

}  // namespace neume::kernels
