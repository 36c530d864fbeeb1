#pragma once
// What a fit has finished, in a file beside its result: a fit that was killed goes on there (docs/formats/codebook.md,
// "Checkpoints").

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <neume/quantizer.hpp>

#include "quantize/codec.hpp"

namespace neume::quantize {

/// The finished part of a fit. What a stage is, and which tensors there are after it, is the codec's affair.
struct FitState {
  std::size_t stage = 0;             ///< stages done; 0: none
  std::vector<NamedMatrix> tensors;  ///< finite or not, any shapes
  std::vector<Code> codes;           ///< of the fitted rows, as far as they are known
  std::vector<LayerReport> reports;
};

/// Hands out the tensors of a state, each once. The state must outlive it.
class StateTensors : public TensorReader {
 public:
  explicit StateTensors(FitState& state) : state_(state) {}
  Matrix read(const std::string& name, std::size_t rows, std::size_t cols) override;

 private:
  FitState& state_;
};

/// Identity of a fit: a hash of everything that its bytes depend on (rows, shape, options, neume's version, instruction
/// set).
std::string identity_of(ConstMatrixView rows, const InputShape& shape, const QuantizerOptions& options);

/// The checkpoint file of one fit. One without a file keeps nothing.
class FitJournal {
 public:
  FitJournal() = default;

  /// Reads the file where there is one, tells place.on_found what will be done with it, and forgets what is damaged or
  /// was left by a fit of another identity.
  FitJournal(FitCheckpoint place, std::string identity);

  bool is_kept() const { return !place_.file.empty(); }

  /// What the killed fit had finished; once.
  std::optional<FitState> take_found() { return std::exchange(found_, std::nullopt); }

  /// The prefix weight that was chosen, if it is known.
  const std::optional<PrefixWeightChoice>& prefix_weight() const { return prefix_weight_; }
  void set_prefix_weight(const PrefixWeightChoice& choice);

  /// Writes `state` atomically in place of the one before. Throws DataError where the file cannot be written.
  void keep(const FitState& state);

  /// Removes the file of a fit that failed and would fail again: one that could not be written is left as it was.
  void drop();

 private:
  void read();

  FitCheckpoint place_;
  std::string identity_;
  bool is_unwritable_ = false;
  std::optional<FitState> found_;
  std::optional<PrefixWeightChoice> prefix_weight_;
};

}  // namespace neume::quantize
