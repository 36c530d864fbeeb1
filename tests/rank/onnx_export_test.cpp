// The exported graph against our own scorer: writes models and batches, and lets onnxruntime-web compute the logits
// (tests/web/onnx_parity.mjs). Skipped where node or onnxruntime-web is not there (./setup --tests installs it).

#include "rank/onnx_export.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/safetensors.hpp"
#include "rank/model_fixture.hpp"
#include "rank/parameter_export.hpp"

namespace neume::rank {
namespace {

using nlohmann::json;

constexpr std::size_t kItems = 41;
constexpr std::size_t kBatch = 67;
constexpr int kSkipped = 77;

std::filesystem::path test_folder() {
  const auto folder = std::filesystem::path(testing::TempDir()) / ("neume_onnx_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  return folder;
}

/// A batch as the graph's inputs. `padding`: places beyond the longest history.
class Inputs {
 public:
  Inputs(const Batch& batch, const ItemCodes& codes, std::size_t padding) : batch_(batch), codes_(codes) {
    for (std::size_t s = 0; s < batch.size(); ++s) places_ = std::max(places_, length(s));
    places_ += padding;
    std::vector<std::int64_t> items(batch.size() * places_, 3);  // padding: some item, as good as any other
    std::vector<float> mask(items.size(), 0.0F);
    for (std::size_t s = 0; s < batch.size(); ++s) {
      for (std::size_t j = 0; j < length(s); ++j) {
        items[s * places_ + j] = batch.history[batch.history_offsets[s] + j];
        mask[s * places_ + j] = 1.0F;
      }
    }
    const std::vector<std::int64_t> targets(batch.targets.begin(), batch.targets.end());
    add("history_items", "int64", {batch.size(), places_}, items);
    add("history_mask", "float32", {batch.size(), places_}, mask);
    add("target_item", "int64", {batch.size()}, targets);
    for (std::size_t f = 0; f < codes.families().size(); ++f) {
      const std::string& name = codes.families()[f].name;
      const std::size_t layers = codes.families()[f].num_layers();
      add("history_codes." + name, "int64", {batch.size(), places_, layers}, codes_of(f, items));
      add("target_codes." + name, "int64", {batch.size(), layers}, codes_of(f, targets));
    }
  }

  json inputs = json::object();

 private:
  std::size_t length(std::size_t s) const { return batch_.history_offsets[s + 1] - batch_.history_offsets[s]; }

  std::vector<std::int64_t> codes_of(std::size_t family, const std::vector<std::int64_t>& items) const {
    const auto all = codes_of_family(codes_, family);
    const std::size_t layers = codes_.families()[family].num_layers();
    std::vector<std::int64_t> codes;
    for (const std::int64_t item : items) {
      for (std::size_t l = 0; l < layers; ++l) codes.push_back(all[static_cast<std::size_t>(item) * layers + l]);
    }
    return codes;
  }

  template <class T>
  void add(const std::string& name, const char* type, const std::vector<std::size_t>& shape,
           const std::vector<T>& values) {
    inputs[name] = {{"type", type}, {"dims", shape}, {"data", values}};
  }

  const Batch& batch_;
  const ItemCodes& codes_;
  std::size_t places_ = 0;
};

struct Case {
  std::string name;
  std::vector<std::string> families;
  bool mcca = false;
  bool softmax = false;
  bool product = false;
};

/// Writes NAME.onnx and NAME.json: two batches of different B and T with our logits.
void write_case(const Case& test, const std::filesystem::path& folder) {
  const ItemCodes codes = test.families.empty() ? ItemCodes(kItems) : ItemCodes(make_sids(kItems, 1), test.families);
  ModelSpec spec = small_spec(test.mcca ? mcca_units(codes, 2) : din_units(codes));
  spec.attention_softmax = test.softmax;
  spec.attention_product = test.product;
  SequenceModel<float> model(spec, codes, 9);
  write_onnx(folder / (test.name + ".onnx"), {model.spec(), codes, model.parameters()});
  json batches = json::array();
  for (const std::size_t size : {std::size_t{5}, kBatch}) {
    const Batch batch = make_batch(size, kItems, spec.max_history, size);
    std::vector<float> logits(size);
    model.score(batch, logits);
    batches.push_back({{"inputs", Inputs(batch, codes, size % 3).inputs}, {"logits", logits}});
  }
  base::write_file(folder / (test.name + ".json"), batches.dump());
}

TEST(OnnxExport, GraphGivesOurLogits) {
  const std::vector<std::string> all = {"text", "audio", "joint"};
  const std::vector<Case> cases = {{"mcca", all, true},
                                   {"mcca_softmax", all, true, true, false},
                                   {"mcca_product", all, true, false, true},
                                   {"din", {}},
                                   {"din_text", {"text"}},
                                   {"din_text_softmax_product", {"text"}, false, true, true}};
  const auto folder = test_folder();
  std::string command = "node " NEUME_SOURCE_DIR "/tests/web/onnx_parity.mjs";
  for (const Case& test : cases) {
    write_case(test, folder);
    command.append(" ").append((folder / test.name).string());
  }
  const int status = std::system(command.c_str());
  std::filesystem::remove_all(folder);
  if (WIFEXITED(status) && (WEXITSTATUS(status) == kSkipped || WEXITSTATUS(status) == 127)) {
    GTEST_SKIP() << "node or onnxruntime-web is not installed; ./setup --tests installs them";
  }
  EXPECT_EQ(status, 0);
}

TEST(OnnxExport, RefusesWhatDoesNotFit) {
  const ItemCodes codes(kItems);
  SequenceModel<float> model(small_spec(din_units(codes)), codes, 9);
  const auto folder = test_folder();
  const auto path = folder / "model.onnx";
  const auto parameters = model.parameters();
  write_onnx(path, {model.spec(), codes, parameters});
  const std::size_t size = std::filesystem::file_size(path);
  std::filesystem::remove(path);
  // By the graph's own bytes, and by the tables alone.
  for (const std::size_t limit : {size - 1, std::size_t{1000}}) {
    try {
      write_onnx(path, {model.spec(), codes, parameters}, limit);
      ADD_FAILURE() << "written although the limit is " << limit;
    } catch (const InvalidArgument& error) {
      EXPECT_NE(std::string(error.what()).find("safetensors"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(std::to_string(limit)), std::string::npos) << error.what();
    }
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  write_onnx(path, {model.spec(), codes, parameters}, size);
  EXPECT_EQ(std::filesystem::file_size(path), size);
  std::filesystem::remove_all(folder);
}

TEST(ParameterExport, CodesAreTheOnesThatWereGiven) {
  const SemanticIds sids = make_sids(kItems, 1);
  const ItemCodes codes(sids, {"joint", "text"});
  for (std::size_t f = 0; f < 2; ++f) {
    const auto& given = sids.find(codes.families()[f].name)->codes;
    const auto found = codes_of_family(codes, f);
    ASSERT_EQ(found.size(), given.size());
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], given[i] == kNoCode ? -1 : given[i]);
  }
}

TEST(ParameterExport, FileHoldsEveryParameter) {
  const ItemCodes codes(make_sids(kItems, 1), {"text", "audio", "joint"});
  SequenceModel<float> model(small_spec(mcca_units(codes, 2)), codes, 9);
  const auto folder = test_folder();
  std::vector<std::uint32_t> counts(kItems, 5);
  counts[1] = 4'000'000'000U;
  const auto parameters = model.parameters();
  write_exported_parameters(folder / "model.safetensors", {parameters, codes, counts});
  const data::SafetensorsFile file(folder / "model.safetensors");
  EXPECT_EQ(file.names().size(), parameters.size() + 4);
  for (const auto& p : parameters) {
    ASSERT_EQ(file.shape(p.name), (std::vector<std::size_t>{p.rows, p.cols}));
    std::vector<float> values(p.rows * p.cols);
    file.read(p.name, std::span(values));
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], p.values.row(i / p.cols)[i % p.cols]);
  }
  EXPECT_EQ(file.shape("sids.text"), (std::vector<std::size_t>{kItems, 3}));
  std::vector<std::int32_t> interactions(kItems);
  file.read("item_interactions", std::span(interactions));
  EXPECT_EQ(interactions[0], 5);
  EXPECT_EQ(interactions[1], 2147483647);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace neume::rank
