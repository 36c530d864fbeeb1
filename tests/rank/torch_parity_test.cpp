// MCCA and DIN against PyTorch: writes models with random weights, a batch and what our network makes of it (logits,
// loss, every gradient), and lets bench/peers/parity_torch.py compute the same from the equations. Skipped where
// Debian's python3-torch is not installed (apt-get install python3-torch).

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "data/safetensors.hpp"
#include "rank/model_file.hpp"
#include "rank/model_fixture.hpp"

namespace neume::rank {
namespace {

constexpr std::size_t kItems = 41;
constexpr std::size_t kBatch = 67;

/// Tensors of a file, with the memory that holds them.
class TensorFile {
 public:
  void add(const std::string& name, std::vector<std::size_t> shape, std::vector<float> values) {
    const auto& kept = floats_[name] = std::move(values);
    views_.push_back(data::tensor_of(name, std::move(shape), kept));
  }
  void add(const std::string& name, std::vector<std::size_t> shape, std::vector<std::uint32_t> values) {
    const auto& kept = words_[name] = std::move(values);
    views_.push_back(data::tensor_of(name, std::move(shape), kept));
  }
  void write(const std::filesystem::path& path, const std::string& model) {
    data::write_safetensors(path, views_, {{"model", model}});
  }

 private:
  std::map<std::string, std::vector<float>> floats_;
  std::map<std::string, std::vector<std::uint32_t>> words_;
  std::vector<data::TensorView> views_;
};

struct Case {
  std::string name;
  std::vector<std::string> families;
  bool mcca = false;
  bool softmax = false;
  bool product = false;
};

std::string source_name(const ItemCodes& codes, Source source) {
  return source.is_items() ? "item" : codes.families()[source.family].name;
}

std::string describe(const ItemCodes& codes, const ModelSpec& spec) {
  nlohmann::json units = nlohmann::json::array();
  for (const auto& unit : spec.units) {
    units.push_back({{"source", source_name(codes, unit.source)}, {"query", source_name(codes, unit.query)}});
  }
  return nlohmann::json{{"units", units}, {"softmax", spec.attention_softmax}, {"product", spec.attention_product}}
      .dump();
}

std::vector<float> copy_of(const nn::ParameterView<float>& p, nn::Strided<float> part) {
  std::vector<float> values;
  for (std::size_t r = 0; r < p.rows; ++r) values.insert(values.end(), part.row(r), part.row(r) + p.cols);
  return values;
}

/// Gradients of all items: zero where the batch does not have them.
std::vector<float> item_gradients(const SequenceModel<float>& model, std::size_t width) {
  std::vector<float> all(kItems * width, 0.0f);
  for (std::size_t i = 0; i < model.batch_items().size(); ++i) {
    const auto gradient = model.item_gradient(i);
    std::copy_n(gradient.data(), width, all.data() + model.batch_items()[i] * width);
  }
  return all;
}

void add_model(SequenceModel<float>& model, TensorFile& file) {
  for (const auto& p : model.parameters()) {
    file.add(p.name, {p.rows, p.cols}, copy_of(p, p.values));
    file.add(std::string("gradient.").append(p.name), {p.rows, p.cols},
             p.gradients.data == nullptr ? item_gradients(model, p.cols) : copy_of(p, p.gradients));
  }
}

void add_batch(const Batch& batch, TensorFile& file) {
  file.add("batch.targets", {batch.size()}, batch.targets);
  file.add("batch.labels", {batch.size()}, batch.labels);
  file.add("batch.history_offsets", {batch.size() + 1}, batch.history_offsets);
  file.add("batch.history", {batch.history.size()}, batch.history);
}

void write_case(const Case& test, const std::filesystem::path& path) {
  const SemanticIds sids = make_sids(kItems, 1);
  const ItemCodes codes = test.families.empty() ? ItemCodes(kItems) : ItemCodes(sids, test.families);
  ModelSpec spec = small_spec(test.mcca ? mcca_units(codes, 2) : din_units(codes));
  spec.width = 32;
  spec.attention_hidden = 48;
  spec.attention_softmax = test.softmax;
  spec.attention_product = test.product;
  SequenceModel<float> model(spec, codes, 9);
  const Batch batch = make_batch(kBatch, kItems, spec.max_history, 4);
  TensorFile file;
  std::vector<float> logits(kBatch);
  model.score(batch, logits);
  file.add("logits", {kBatch}, logits);
  file.add("loss", {1}, std::vector<float>{static_cast<float>(model.compute_gradients(batch) / kBatch)});
  add_model(model, file);
  add_batch(batch, file);
  for (const auto& name : test.families) {
    const CodeFamily& family = *sids.find(name);
    file.add(std::string("codes.").append(name), {kItems, family.num_layers()},
             std::vector<std::uint32_t>(family.codes.begin(), family.codes.end()));
  }
  file.write(path, describe(codes, spec));
}

TEST(TorchParity, LogitsLossAndEveryGradient) {
  if (std::system("/usr/bin/python3 -c 'import torch' 2>/dev/null") != 0) {
    GTEST_SKIP() << "/usr/bin/python3 has no torch; apt-get install python3-torch installs it";
  }
  const std::vector<std::string> all = {"text", "audio", "joint"};
  const std::vector<Case> cases = {{"mcca", all, true},
                                   {"mcca_softmax", all, true, true, false},
                                   {"mcca_product", all, true, false, true},
                                   {"mcca_softmax_product", all, true, true, true},
                                   {"din", {}},
                                   {"din_text", {"text"}},
                                   {"din_text_softmax_product", {"text"}, false, true, true}};
  const auto folder = std::filesystem::path(testing::TempDir()) / ("neume_torch_parity_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::string command = "/usr/bin/python3 " NEUME_SOURCE_DIR "/bench/peers/parity_torch.py";
  for (const Case& test : cases) {
    const auto path = folder / (test.name + ".safetensors");
    write_case(test, path);
    command.append(" ").append(path.string());
  }
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace neume::rank
