#include "rank/model_setup.hpp"

#include <algorithm>

#include <neume/error.hpp>

#include "base/random.hpp"
#include "kernels/matmul.hpp"
#include "rank/alignment.hpp"
#include "rank/dlrm.hpp"
#include "rank/item_knn.hpp"
#include "rank/popularity.hpp"
#include "rank/sequence_model.hpp"
#include "rank/simtier_make.hpp"
#include "rank/vbpr.hpp"

namespace neume::rank {

namespace {
constexpr const char* kJoint = "joint";
constexpr std::uint64_t kPermutationStream = 7;

bool reads_codes(RankerModel model) {
  return model != RankerModel::vbpr && model != RankerModel::popularity && model != RankerModel::itemknn;
}
}  // namespace

ItemCodes select_codes(const SemanticIds& sids, const RankerOptions& options) {
  std::vector<std::string> names = options.families;
  if (options.model == RankerModel::mcca && names.empty()) {
    for (const auto& family : sids.families) names.push_back(family.name);
  }
  const bool needs_joint = options.model == RankerModel::mcca && options.without != Ablation::mjc;
  if (needs_joint && std::ranges::find(names, kJoint) == names.end()) {
    throw InvalidArgument(
        "mcca queries every family by the joint one, but the semantic IDs in use have no family 'joint'; fit with "
        "--joint, or use --model din");
  }
  if (options.model == RankerModel::qarm) {
    if (!names.empty()) throw InvalidArgument("families: qarm makes its own from content vectors; leave them out");
    names = {kAlignedVq, kAlignedRq};
  }
  if (!names.empty() && !reads_codes(options.model)) {
    throw InvalidArgument("families: " + std::string(kRankerModelNames[static_cast<std::size_t>(options.model)]) +
                          " reads no semantic IDs; leave them out, or use --model din or dlrm");
  }
  ItemCodes codes = names.empty() ? ItemCodes(sids.items.size()) : ItemCodes(sids, names);
  if (options.permute_items) codes.permute_items(base::derive_seed(options.seed, kPermutationStream));
  return codes;
}

namespace {

/// MCCA, DIN and their variants on the codes; DIN is also what simtier-make builds on.
ModelSpec sequence_spec(const RankerOptions& options, const NetworkInputs& inputs) {
  const ItemCodes& codes = inputs.codes;
  ModelSpec spec;
  if (options.model == RankerModel::mcca) {
    const auto joint = std::ranges::find(codes.families(), kJoint, &FamilyLayout::name);
    spec.units = mcca_units(codes, static_cast<std::size_t>(joint - codes.families().begin()), options.without);
  } else {
    spec.units = din_units(codes);
  }
  spec.width = options.embedding_width;
  spec.attention_hidden = options.attention_hidden;
  spec.attention_softmax = options.attention_softmax;
  spec.attention_product = options.attention_input == AttentionInput::product;
  spec.layer_pooling = options.layer_pooling;
  spec.mlp = options.mlp;
  spec.features = inputs.features;
  // A model that was trained with bf16 products scores with f32 ones where the CPU has no others.
  if (options.precision == Precision::bf16 && kernels::has_bf16_products()) spec.arithmetic = kernels::Arithmetic::bf16;
  spec.max_batch = options.batch_size;
  spec.max_history = options.history;
  return spec;
}

}  // namespace

std::unique_ptr<Network<float>> make_network(const RankerOptions& options, const NetworkInputs& inputs) {
  switch (options.model) {
    case RankerModel::qarm:  // a DIN on the aligned families, each queried by itself
    case RankerModel::mcca:
    case RankerModel::din:
      return std::make_unique<SequenceModel<float>>(sequence_spec(options, inputs), inputs.codes, options.seed,
                                                    inputs.tables);
    case RankerModel::vbpr:
      return std::make_unique<Vbpr<float>>(VbprSpec{options.embedding_width, options.batch_size}, inputs, options.seed);
    case RankerModel::simtier_make:
      return std::make_unique<SimTierMake>(
          SimTierMakeSpec{sequence_spec(options, inputs), options.tiers, options.make_epochs}, inputs, options.seed);
    case RankerModel::dlrm:
      return std::make_unique<Dlrm<float>>(DlrmSpec{options.embedding_width, options.mlp, options.batch_size}, inputs,
                                           options.seed);
    case RankerModel::popularity:
      return std::make_unique<Popularity>(inputs.histories, inputs.codes.num_items(), options.batch_size);
    case RankerModel::itemknn:
      return std::make_unique<ItemKnn>(inputs.histories, inputs.codes.num_items(), options.batch_size);
  }
  throw InternalError("unknown model of a ranker");
}

}  // namespace neume::rank
