#pragma once
// Arrays that may be larger than memory: a growable array of numbers that moves into an unlinked, memory-mapped file
// once it is long. The kernel writes the pages of such a file back and drops them when memory is short, so that the
// disk is the limit.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

namespace neume::base {

/// When an array leaves memory, and for where.
struct SpillPolicy {
  static constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

  std::filesystem::path folder;        ///< made where it is missing; must be on a disk to be of use
  std::size_t max_in_memory = kNever;  ///< elements; an array with more lies in a file
};

/// Raw bytes of a SpillVector. In memory or in a file, which has no name and so goes with the process, killed or not.
class SpillMemory {
 public:
  SpillMemory() = default;
  ~SpillMemory();
  SpillMemory(SpillMemory&& other) noexcept { swap(other); }
  SpillMemory& operator=(SpillMemory&& other) noexcept {
    swap(other);
    return *this;
  }

  std::byte* data() const { return data_; }
  bool in_file() const { return descriptor_ >= 0; }

  /// Makes `size_bytes` of memory (at least what there is) and keeps the content. Throws std::bad_alloc.
  void grow_in_memory(std::size_t size_bytes);
  /// The same in a file in `folder`; memory moves there first. Throws DataError naming the folder where the file cannot
  /// be made or the disk is full; the array is then as it was.
  void grow_in_file(std::size_t size_bytes, const std::filesystem::path& folder);

 private:
  void swap(SpillMemory& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_bytes_, other.size_bytes_);
    std::swap(descriptor_, other.descriptor_);
  }

  std::byte* data_ = nullptr;
  std::size_t size_bytes_ = 0;
  int descriptor_ = -1;
};

/// A growable array of numbers with the interface of std::vector, as far as it is needed. Pointers into it end when it
/// grows. Reading is thread-safe. Growing throws what SpillMemory throws; the array is then as it was.
template <class T>
class SpillVector {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  SpillVector() = default;
  explicit SpillVector(SpillPolicy policy) : policy_(std::move(policy)) {}
  SpillVector(std::initializer_list<T> values) { append(std::span<const T>(values.begin(), values.size())); }
  SpillVector(SpillVector&& other) noexcept { swap(other); }
  SpillVector& operator=(SpillVector&& other) noexcept {
    swap(other);
    return *this;
  }

  const SpillPolicy& policy() const { return policy_; }
  bool in_file() const { return memory_.in_file(); }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return reinterpret_cast<T*>(memory_.data()); }
  const T* data() const { return reinterpret_cast<const T*>(memory_.data()); }
  T& operator[](std::size_t i) { return data()[i]; }
  const T& operator[](std::size_t i) const { return data()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }

  /// Keeps the memory or the file.
  void clear() { size_ = 0; }
  void push_back(T value) {
    if (size_ == capacity_) grow(size_ + 1);
    data()[size_++] = value;
  }
  /// `values` must not lie in this array.
  void append(std::span<const T> values) {
    if (size_ + values.size() > capacity_) grow(size_ + values.size());
    std::copy(values.begin(), values.end(), end());
    size_ += values.size();
  }
  /// New elements are T().
  void resize(std::size_t size) {
    if (size > capacity_) grow(size);
    if (size > size_) std::fill(end(), data() + size, T());
    size_ = size;
  }
  void assign(std::size_t size, T value) {
    resize(size);
    std::fill(begin(), end(), value);
  }

  friend bool operator==(const SpillVector& a, const SpillVector& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }
  /// Any other array of T: a vector, a span.
  template <class Array>
  requires(!std::same_as<Array, SpillVector> && std::convertible_to<const Array&, std::span<const T>>) friend bool
  operator==(const SpillVector& a, const Array& b) {
    const std::span<const T> other(b);
    return std::equal(a.begin(), a.end(), other.begin(), other.end());
  }

 private:
  void grow(std::size_t needed) {
    constexpr std::size_t kFirst = 64;
    if (needed > policy_.max_in_memory) {
      const std::size_t size = std::max({needed, capacity_ + capacity_ / 4, std::size_t{1} << 16});
      memory_.grow_in_file(size * sizeof(T), policy_.folder);
      capacity_ = size;
    } else {
      const std::size_t size = std::min(std::max({needed, capacity_ + capacity_ / 2, kFirst}), policy_.max_in_memory);
      memory_.grow_in_memory(size * sizeof(T));
      capacity_ = size;
    }
  }
  void swap(SpillVector& other) noexcept {
    std::swap(policy_, other.policy_);
    std::swap(memory_, other.memory_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  SpillPolicy policy_;
  SpillMemory memory_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace neume::base
