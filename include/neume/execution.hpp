#pragma once
// How work runs: on how many threads, and with which vector instructions. Both hold for the whole process.
//
// The library uses OpenMP (GNU's libgomp). Threads that wait spin for a while; on a machine that has other work, start
// the program with OMP_WAIT_POLICY=passive in the environment, so that they sleep.

#include <cstddef>

namespace neume {

/// Sets the number of threads that parallel work uses; 0 means what OpenMP would use: OMP_NUM_THREADS, or every core of
/// this process. Results do not depend on it. A call of the library from each of n threads of the program uses n times
/// as many: a server that has a thread for every core wants 1. Do not change it while work runs.
void set_num_threads(std::size_t count);

/// The number of threads that parallel work uses.
std::size_t num_threads();

/// Instruction sets that work can be held to. Different sets may differ in the last bit of a distance, and so, where
/// two codewords are equally near but for rounding, in a code.
enum class InstructionSet {
  avx2,   ///< no AVX-512
  avx512  ///< AVX-512 without its extensions for bytes and short floats
};

/// Keeps work from using more than `set`, for codes that are the same on machines with and without more. To be called
/// before any other work: throws InvalidArgument where work has already begun. Without it, the best that the machine
/// has is used.
void limit_instruction_set(InstructionSet set);

}  // namespace neume
