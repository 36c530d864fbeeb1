#include "base/parallel.hpp"

#include <omp.h>
#include <sched.h>

#include <atomic>
#include <exception>
#include <mutex>
#include <vector>

namespace neume::base {

namespace {

std::atomic<std::size_t> requested_threads{0};

/// What OpenMP would use on the thread that asks first.
int openmp_default() {
  static const int count = omp_get_max_threads();
  return count;
}

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
  const int fallback = openmp_default();  // before this function changes it
  requested_threads = count;
  omp_set_num_threads(count == 0 ? fallback : static_cast<int>(count));
}

std::size_t num_threads() {
  if (limit_of_this_thread != 0) return limit_of_this_thread;
  if (requested_threads != 0) return requested_threads;
  return static_cast<std::size_t>(omp_get_max_threads());
}

ThreadLimit::ThreadLimit(std::size_t count) : previous_(limit_of_this_thread), previous_openmp_(omp_get_max_threads()) {
  limit_of_this_thread = count == 0 ? 1 : count;
  omp_set_num_threads(static_cast<int>(limit_of_this_thread));  // for libraries that ask OpenMP; it is by thread, too
}

ThreadLimit::~ThreadLimit() {
  limit_of_this_thread = previous_;
  omp_set_num_threads(previous_openmp_);
}

namespace {

/// Calls work, keeps the first exception, and passes over all calls after it.
class Guarded {
 public:
  explicit Guarded(const std::function<void(std::size_t)>& work) : work_(work) {}

  void call(std::size_t i) {
    if (failed_) return;
    try {
      work_(i);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!first_failure_) first_failure_ = std::current_exception();
      failed_ = true;
    }
  }

  void finish() const {
    if (first_failure_) std::rethrow_exception(first_failure_);
  }

 private:
  const std::function<void(std::size_t)>& work_;
  std::exception_ptr first_failure_;
  std::mutex mutex_;
  std::atomic<bool> failed_{false};
};

/// What is left of a thread's stretch.
struct alignas(64) Stretch {
  std::atomic<std::size_t> next{0};
  std::size_t end = 0;
};

}  // namespace

void parallel_for(std::size_t count, const std::function<void(std::size_t)>& work) {
  Guarded guarded(work);
  const int threads = static_cast<int>(num_threads());
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads) if (count > 1 && !kThreadSanitizer)
  for (std::size_t i = 0; i < count; ++i) guarded.call(i);
  guarded.finish();
}

void parallel_stretches(std::size_t count, const std::function<void(std::size_t)>& work) {
  Guarded guarded(work);
  const std::size_t threads = num_threads();
  std::vector<Stretch> stretches(threads);
  for (std::size_t t = 0; t < threads; ++t) {
    stretches[t].next = t * count / threads;
    stretches[t].end = (t + 1) * count / threads;
  }
#pragma omp parallel num_threads(static_cast <int>(threads)) if (count > 1 && !kThreadSanitizer)
  {
    const auto own = static_cast<std::size_t>(omp_get_thread_num());
    for (std::size_t k = 0; k < threads; ++k) {
      Stretch& stretch = stretches[(own + k) % threads];
      for (std::size_t i = stretch.next++; i < stretch.end; i = stretch.next++) guarded.call(i);
    }
  }
  guarded.finish();
}

}  // namespace neume::base
