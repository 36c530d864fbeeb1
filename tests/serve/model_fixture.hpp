#pragma once
// A small catalogue with codebooks and rankers that read them, as folders on disk.

#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <neume/quantizer.hpp>
#include <neume/ranker.hpp>

#include "base/file.hpp"
#include "base/random.hpp"
#include "rank/training.hpp"
#include "serve/served_model.hpp"
#include "store/store.hpp"

namespace neume::serve {

/// 60 items "item 0" ... in 4 groups with embeddings text (6 wide) and audio (4 wide) near their group's; 40 users,
/// "user 0" ..., who like the items of one group. The folders are removed at the end.
class ModelFixture {
 public:
  static constexpr std::size_t kItems = 60;
  static constexpr std::size_t kUsers = 40;

  explicit ModelFixture(const std::string& name)
      : folder_(std::filesystem::temp_directory_path() / ("neume-" + name + "-" + std::to_string(getpid()))) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~ModelFixture() { std::filesystem::remove_all(folder_); }

  const std::filesystem::path& folder() const { return folder_; }

  /// The embeddings of an item of a group; `item` decides the noise.
  static Embeddings embeddings(std::size_t item, std::size_t group) {
    base::Random random(1000 + item);
    Embeddings all{{"text", std::vector<float>(6)}, {"audio", std::vector<float>(4)}};
    for (auto& [name, values] : all) {
      for (std::size_t c = 0; c < values.size(); ++c) {
        values[c] = static_cast<float>((c == group ? 1.0 : 0.0) + 0.1 * random.normal());
      }
    }
    return all;
  }

  /// Fits families text, audio and joint, L = 2, to the catalogue, and leaves them in folder() / name.
  std::filesystem::path make_codebooks(const std::string& name, std::uint64_t seed = 1, std::size_t codes = 4) {
    const std::filesystem::path folder = folder_ / name;
    std::filesystem::create_directories(folder);
    nlohmann::json families = nlohmann::json::array();
    for (const Plan& plan : plans()) {
      QuantizerOptions options;
      options.layers = 2;
      options.codes = {codes};
      options.seed = seed;
      const auto fit = Quantizer::fit(rows_of(plan.modalities), plan.shape(), options);
      const std::filesystem::path file = folder / (plan.name + ".safetensors");
      fit.quantizer.save(file);
      families.push_back(
          {{"name", plan.name}, {"file", file.filename().string()}, {"fingerprint", base::fingerprint_of_file(file)}});
    }
    base::write_file(folder / "manifest.json",
                     nlohmann::json{{"format", "neume-codebooks"}, {"version", 1}, {"families", families}}.dump());
    return folder;
  }

  static RankerOptions options(RankerModel model = RankerModel::mcca) {
    RankerOptions options;
    options.model = model;
    options.history = 10;
    options.embedding_width = 16;
    options.attention_hidden = 16;
    options.mlp = {16};
    options.batch_size = 32;
    options.epochs = 2;
    options.negatives = 2;
    options.learning_rate = 5e-3;
    return options;
  }

  /// Semantic IDs of the catalogue by the codebooks in a folder.
  SemanticIds encode(const std::filesystem::path& codebooks) const {
    SemanticIds sids{ids(), {}};
    for (const Plan& plan : plans()) {
      const Quantizer quantizer = Quantizer::load(codebooks / (plan.name + ".safetensors"));
      sids.families.push_back(
          {plan.name, quantizer.codebook_sizes(), quantizer.encode(rows_of(plan.modalities).view())});
    }
    return sids;
  }

  /// The last time of a log with times, in its units since 1970.
  static std::int64_t last_time(std::int64_t units_a_second) { return (1'600'000'000 + kRounds - 1) * units_a_second; }

  /// Trains a ranker on `sids` and leaves it in folder() / name. Its log has no times, or times in these units.
  std::filesystem::path make_ranker(const std::string& name, const SemanticIds& sids, const RankerOptions& options,
                                    std::int64_t units_a_second = 0) {
    rank::TrainingData data;
    data.sids = sids;
    base::Random random(5);
    for (std::size_t user = 0; user < kUsers; ++user) data.users.find_or_add("user " + std::to_string(user));
    for (std::int64_t n = 0; n < kRounds; ++n) {
      for (std::uint32_t user = 0; user < kUsers; ++user) {
        data.train.users.push_back(user);
        data.train.items.push_back(static_cast<std::uint32_t>(random.index(15) * 4 + user % 4));
        if (units_a_second > 0)
          data.train.timestamps.push_back(last_time(units_a_second) - (kRounds - 1 - n) * units_a_second);
      }
    }
    rank::train_ranker(data, options, folder_ / name);
    return folder_ / name;
  }

 private:
  static constexpr std::int64_t kRounds = 8;  // interactions a user

  struct Plan {
    std::string name;
    std::vector<std::string> modalities;

    InputShape shape() const {
      InputShape shape{modalities, {}, Scaling::none};
      for (const std::string& modality : modalities) shape.block_widths.push_back(modality == "text" ? 6 : 4);
      return shape;
    }
  };

  static std::vector<Plan> plans() { return {{"text", {"text"}}, {"audio", {"audio"}}, {"joint", {"text", "audio"}}}; }

  static ItemIds ids() {
    ItemIds::Texts texts;
    for (std::size_t i = 0; i < kItems; ++i) texts.push_back("item " + std::to_string(i));
    return ItemIds(std::move(texts));
  }

  static Matrix rows_of(const std::vector<std::string>& modalities) {
    std::size_t width = 0;
    for (const std::string& modality : modalities) width += modality == "text" ? 6 : 4;
    Matrix rows(kItems, width);
    for (std::size_t i = 0; i < kItems; ++i) {
      const Embeddings all = embeddings(i, i % 4);
      std::size_t column = 0;
      for (const std::string& modality : modalities) {
        for (const float value : all.at(modality)) rows.row(i)[column++] = value;
      }
    }
    return rows;
  }

  std::filesystem::path folder_;
};

}  // namespace neume::serve
