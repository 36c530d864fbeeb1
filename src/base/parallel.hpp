#pragma once
// Threads. Work is cut into chunks whose borders depend on the problem alone, never on the number of threads, so that
// sums come out in the same order whatever the machine.

#include <cstddef>
#include <functional>

namespace neume::base {

/// Cores that this process may use (its affinity mask).
std::size_t available_cores();

/// The number of threads that parallel work uses; 0 means available_cores(). Process-wide.
void set_num_threads(std::size_t count);
std::size_t num_threads();

/// Calls work(i) once for every i in [0, count), on num_threads() threads, in no particular order. The first exception
/// that a call throws is rethrown here after all threads have stopped.
void parallel_for(std::size_t count, const std::function<void(std::size_t)>& work);

/// Number of chunks of `chunk` rows (the last may be shorter) that cover `rows`.
inline std::size_t num_chunks(std::size_t rows, std::size_t chunk) {
  return (rows + chunk - 1) / chunk;
}

}  // namespace neume::base
