#pragma once
// Threads. Work is cut into chunks whose borders depend on the problem alone, never on the number of threads, so that
// sums come out in the same order whatever the machine.

#include <cstddef>
#include <functional>

namespace neume::base {

/// Cores that this process may use (its affinity mask).
std::size_t available_cores();

/// The number of threads that parallel work uses; 0 means what OpenMP would use (OMP_NUM_THREADS, or every core that
/// this process may use). Process-wide, but for a thread that has a ThreadLimit.
void set_num_threads(std::size_t count);
std::size_t num_threads();

/// While it lives, parallel work that this thread starts uses `count` threads (at least 1): so that several trainings
/// can share the cores, each on a thread of its own. Destroyed by the thread that made it; they may be nested.
class ThreadLimit {
 public:
  explicit ThreadLimit(std::size_t count);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  std::size_t previous_;
  int previous_openmp_;
};

/// Calls work(i) once for every i in [0, count), on num_threads() threads, in no particular order. The first exception
/// that a call throws is rethrown here after all threads have stopped.
void parallel_for(std::size_t count, const std::function<void(std::size_t)>& work);

/// The same, but each thread begins with its own stretch of [0, count) and then helps with the others': calls whose
/// numbers are near each other run on one thread as a rule, and find its caches as the same stretch of an earlier call
/// left them.
void parallel_stretches(std::size_t count, const std::function<void(std::size_t)>& work);

/// Number of chunks of `chunk` rows (the last may be shorter) that cover `rows`.
inline std::size_t num_chunks(std::size_t rows, std::size_t chunk) {
  return (rows + chunk - 1) / chunk;
}

}  // namespace neume::base
