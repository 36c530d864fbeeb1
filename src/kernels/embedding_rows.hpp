#pragma once
// Rows of an embedding table that is trained by lazy Adam: a row is [value | first moment | second moment], `width`
// each, so that an update touches one stretch of memory. The rows of a batch are misses in every cache: the loops ask
// for them ahead and keep several in flight.

#include <cstddef>
#include <cstdint>

#include "kernels/elementwise.hpp"

namespace neume::kernels {

/// `count` rows of a table, by number; no row twice. `width` is a multiple of kRowGrain.
template <class T>
struct EmbeddingRows {
  T* table;
  std::size_t width;
  const std::uint32_t* rows;
  std::size_t count;
};

inline constexpr std::size_t kRowGrain = 16;

/// out[i * stride + c] = value c of row i.
template <class T>
void copy_embeddings(const EmbeddingRows<T>& from, T* out, std::size_t stride);

/// One Adam step on each row; the gradient of row i is gradients[i * stride ...].
template <class T>
void adam_update_embeddings(const AdamStep<T>& step, const EmbeddingRows<T>& rows, const T* gradients,
                            std::size_t stride);

}  // namespace neume::kernels
