#include "base/buffer.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace neume::base {

namespace {
constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
}  // namespace

void* allocate_zeroed(std::size_t size_bytes) {
  if (size_bytes > PTRDIFF_MAX) throw std::bad_alloc();  // rounding up must not begin again at 0
  const bool huge = size_bytes >= 2 * kHugePage;
  const std::size_t alignment = huge ? kHugePage : kCacheLine;
  const std::size_t rounded = (size_bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (memory == nullptr) throw std::bad_alloc();
  if (huge) madvise(memory, rounded, MADV_HUGEPAGE);  // advice only: the answer does not matter
  std::memset(memory, 0, rounded == 0 ? alignment : rounded);
  return memory;
}

void free_aligned(void* memory) {
  std::free(memory);
}

}  // namespace neume::base
