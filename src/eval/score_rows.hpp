#pragma once
// What the judges of scores share: checks of their rows, and an order of scores in which equal ones are equal.

#include <cstddef>
#include <cstdint>
#include <span>

namespace neume::eval {

/// Throws InvalidArgument where `others` is not `scores`; `what` names the column ("the column of labels").
void require_same_length(std::size_t scores, std::size_t others, const char* what);

/// Throws InvalidArgument, with the row, for a label that is neither 0 nor 1.
void require_valid_labels(std::span<const std::uint8_t> labels);

/// Throws InvalidArgument, with the row, for a score that is not a number.
void require_numbers(std::span<const float> scores);

/// All three.
void require_valid(std::span<const float> scores, std::span<const std::uint8_t> labels);

/// Throws InvalidArgument for no rows.
void require_rows(std::size_t rows);

/// An integer that orders as the float does; -0 and +0 get the same one.
std::uint32_t order_key(float score);

/// 1 / (1 + e^-z).
double probability_of(float logit);

}  // namespace neume::eval
