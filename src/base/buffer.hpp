#pragma once
// Memory for numbers: zeroed, aligned for vector loads, on huge pages where it is large enough to profit (random rows
// of a gigabyte table miss the TLB on 4 KiB pages).

#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>

namespace neume::base {

/// Zeroed memory, aligned to 64 bytes (to 2 MiB from 4 MiB upwards). Throws std::bad_alloc.
void* allocate_zeroed(std::size_t size_bytes);
void free_aligned(void* memory);

/// A fixed-size, zeroed, aligned array of numbers.
template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : data_(static_cast<T*>(allocate_zeroed(size * sizeof(T)))), size_(size) {}

  std::size_t size() const { return size_; }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  std::span<T> span() { return {data(), size_}; }
  std::span<const T> span() const { return {data(), size_}; }

 private:
  struct Free {
    void operator()(T* p) const { free_aligned(p); }
  };
  std::unique_ptr<T[], Free> data_;
  std::size_t size_ = 0;
};

}  // namespace neume::base
