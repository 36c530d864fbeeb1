#pragma once
// Parameters of a model as safetensors tensors, and back.

#include <string>
#include <vector>

#include "base/buffer.hpp"
#include "data/safetensors.hpp"
#include "nn/parameter.hpp"

namespace neume::rank {

/// Contiguous copies of parameters (values or moments) with their names and shapes, ready to be written or restored.
class ParameterCopies {
 public:
  enum class Part { values, first_moments, second_moments };

  /// Copies one part of every parameter; tensor names get `suffix`.
  void add(const std::vector<nn::ParameterView<float>>& parameters, Part part, const std::string& suffix);

  /// The same as spans for write_safetensors; valid while this lives.
  std::vector<data::TensorView> tensors() const;

  /// Copies back what add() took with the same arguments.
  void restore(const std::vector<nn::ParameterView<float>>& parameters, Part part, const std::string& suffix) const;

  bool empty() const { return copies_.empty(); }

 private:
  struct Copy {
    std::string name;
    std::vector<std::size_t> shape;
    base::Buffer<float> values;
  };
  std::vector<Copy> copies_;
};

/// Reads one part of every parameter from a file. Throws DataError for a missing tensor or another shape.
void read_parameters(const data::SafetensorsFile& file, const std::vector<nn::ParameterView<float>>& parameters,
                     ParameterCopies::Part part, const std::string& suffix);

}  // namespace neume::rank
