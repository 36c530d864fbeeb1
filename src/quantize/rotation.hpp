#pragma once
// Rotations of the columns (d x d orthogonal matrices; a row x becomes x R), for opq.

#include <cstddef>
#include <vector>

#include <neume/matrix.hpp>

namespace neume::quantize {

/// The identity.
Matrix identity_rotation(std::size_t width);

/// Sum over rows of x^T y for rows x of `a` and y of `b` (both N x d without padding): d x d. Same bytes for any number
/// of threads.
Matrix cross_products(ConstMatrixView a, ConstMatrixView b);

/// The orthogonal R that brings the rows x R nearest to rows y in the sum of squares, from `products` = sum of x^T y:
/// U V^T of its singular value decomposition (the orthogonal Procrustes problem; Schoenemann 1966).
Matrix nearest_rotation(const Matrix& products);

/// Principal axes of centred rows, dealt out to sub-vectors of the given widths so that the product of the variances is
/// about the same in each (Ge, He, Ke, Sun 2013, section 3.2, "eigenvalue allocation"). `covariance` = sum of x^T x.
Matrix principal_rotation(const Matrix& covariance, const std::vector<std::size_t>& widths);

/// rows R, by blocks of kBlockRows, so that a row's result depends on that row alone. `out` N x d without padding.
void rotate(ConstMatrixView rows, const Matrix& rotation, MatrixView out);

}  // namespace neume::quantize
