#include "rank/model_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include <neume/error.hpp>

namespace neume::rank {

namespace {

nn::Strided<float> part_of(const nn::ParameterView<float>& parameter, ParameterCopies::Part part) {
  switch (part) {
    case ParameterCopies::Part::values:
      return parameter.values;
    case ParameterCopies::Part::first_moments:
      return parameter.first_moments;
    case ParameterCopies::Part::second_moments:
      return parameter.second_moments;
  }
  throw InternalError("unknown part of a parameter");
}

}  // namespace

void ParameterCopies::add(const std::vector<nn::ParameterView<float>>& parameters, Part part,
                          const std::string& suffix) {
  for (const auto& parameter : parameters) {
    Copy copy{parameter.name + suffix,
              {parameter.rows, parameter.cols},
              base::Buffer<float>(parameter.rows * parameter.cols)};
    const auto source = part_of(parameter, part);
    for (std::size_t r = 0; r < parameter.rows; ++r) {
      std::copy_n(source.row(r), parameter.cols, copy.values.data() + r * parameter.cols);
    }
    copies_.push_back(std::move(copy));
  }
}

std::vector<data::TensorView> ParameterCopies::tensors() const {
  std::vector<data::TensorView> views;
  for (const auto& copy : copies_) views.push_back(data::tensor_of(copy.name, copy.shape, copy.values.span()));
  return views;
}

void ParameterCopies::restore(const std::vector<nn::ParameterView<float>>& parameters, Part part,
                              const std::string& suffix) const {
  for (const auto& parameter : parameters) {
    const auto copy = std::ranges::find(copies_, parameter.name + suffix, &Copy::name);
    if (copy == copies_.end()) throw InternalError("no copy of parameter " + parameter.name);
    const auto target = part_of(parameter, part);
    for (std::size_t r = 0; r < parameter.rows; ++r) {
      std::copy_n(copy->values.data() + r * parameter.cols, parameter.cols, target.row(r));
    }
  }
}

void read_parameters(const data::SafetensorsFile& file, const std::vector<nn::ParameterView<float>>& parameters,
                     ParameterCopies::Part part, const std::string& suffix) {
  for (const auto& parameter : parameters) {
    const std::string name = parameter.name + suffix;
    const auto& shape = file.shape(name);
    if (shape != std::vector<std::size_t>{parameter.rows, parameter.cols}) {
      throw DataError(fmt::format("tensor {}: expected shape [{}, {}], found [{}]", name, parameter.rows,
                                  parameter.cols, fmt::join(shape, ", ")));
    }
    base::Buffer<float> values(parameter.rows * parameter.cols);
    file.read(name, values.span());
    const auto target = part_of(parameter, part);
    for (std::size_t r = 0; r < parameter.rows; ++r) {
      std::copy_n(values.data() + r * parameter.cols, parameter.cols, target.row(r));
    }
  }
}

}  // namespace neume::rank
