#include "base/parallel.hpp"

#include <omp.h>
#include <sched.h>

#include <atomic>
#include <exception>
#include <mutex>

namespace neume::base {

namespace {

std::atomic<std::size_t> requested_threads{0};
thread_local std::size_t limit_of_this_thread = 0;  // 0: none

// ThreadSanitizer does not understand libgomp's barriers and would report every chunk: under it, work is sequential,
// and it watches the threads that are not libgomp's.
#ifdef __SANITIZE_THREAD__
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif

}  // namespace

std::size_t available_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return 1;
  return static_cast<std::size_t>(CPU_COUNT(&mask));
}

void set_num_threads(std::size_t count) {
  requested_threads = count;
  omp_set_num_threads(static_cast<int>(num_threads()));
}

std::size_t num_threads() {
  if (limit_of_this_thread != 0) return limit_of_this_thread;
  if (requested_threads != 0) return requested_threads;
  return static_cast<std::size_t>(omp_get_max_threads());
}

ThreadLimit::ThreadLimit(std::size_t count)
    : previous_(limit_of_this_thread), previous_openmp_(omp_get_max_threads()) {
  limit_of_this_thread = count == 0 ? 1 : count;
  omp_set_num_threads(static_cast<int>(limit_of_this_thread));  // for libraries that ask OpenMP; it is by thread, too
}

ThreadLimit::~ThreadLimit() {
  limit_of_this_thread = previous_;
  omp_set_num_threads(previous_openmp_);
}

void parallel_for(std::size_t count, const std::function<void(std::size_t)>& work) {
  std::exception_ptr first_failure;
  std::mutex failure_mutex;
  std::atomic<bool> failed{false};
  const int threads = static_cast<int>(num_threads());
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (count > 1 && !kThreadSanitizer)
  for (std::size_t i = 0; i < count; ++i) {
    if (failed) continue;
    try {
      work(i);
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      if (!first_failure) first_failure = std::current_exception();
      failed = true;
    }
  }
  if (first_failure) std::rethrow_exception(first_failure);
}

}  // namespace neume::base
