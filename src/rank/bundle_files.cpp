#include "rank/bundle_files.hpp"

#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "base/file.hpp"
#include "data/options_json.hpp"
#include "data/table_writer.hpp"

namespace neume::rank {

namespace {

using nlohmann::json;

constexpr std::size_t kWriteChunk = 1 << 16;
constexpr std::size_t kWriterMemoryMib = 256;  // for the history of a log that is itself kept on disk

template <class Array>
std::string hash_of(const Array& values) {
  return base::fingerprint(std::as_bytes(std::span(values)));
}

json describe_log(const data::Interactions& log) {
  return {hash_of(log.users),  hash_of(log.items),      hash_of(log.timestamps),
          hash_of(log.labels), hash_of(log.categories), hash_of(log.numbers)};
}

json optional_number(const std::optional<double>& value) {
  return value ? json(*value) : json(nullptr);
}

std::optional<double> read_optional(const json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<double>());
}

/// One column of ids for the rows `rows` of an index.
class IdColumn {
 public:
  explicit IdColumn(const ItemIds& ids) : ids_(ids) {}

  data::ColumnSpec spec(const std::string& name) const {
    return {name, ids_.is_text() ? data::ColumnType::text : data::ColumnType::int64};
  }
  void add(std::uint32_t row) {
    if (ids_.is_text()) {
      texts_.push_back(ids_.texts()[row]);
    } else {
      integers_.push_back(ids_.integers()[row]);
    }
  }
  data::ColumnData data() const {
    if (ids_.is_text()) return data::ColumnData(std::span<const std::string>(texts_));
    return data::ColumnData(std::span<const std::int64_t>(integers_));
  }
  void clear() {
    texts_.clear();
    integers_.clear();
  }

 private:
  const ItemIds& ids_;
  std::vector<std::string> texts_;
  std::vector<std::int64_t> integers_;
};

}  // namespace

std::string training_fingerprint(const TrainingData& training, const RankerOptions& options) {
  RankerOptions deciding = options;
  deciding.checkpoint_every = 0;
  json all = {{"format_version", kRankerFormatVersion},
              {"options", data::options_to_json(deciding)},
              {"items", training.sids.items.size()},
              {"train", describe_log(training.train)}};
  if (!training.features.empty()) all["features"] = training.features.fingerprint();
  if (training.validation) all["validation"] = describe_log(*training.validation);
  for (const auto& family : training.sids.families) {
    all["families"].push_back({family.name, family.codebook_sizes, hash_of(family.codes)});
  }
  const std::string text = all.dump();
  return base::fingerprint(std::as_bytes(std::span(text)));
}

void write_history(const std::filesystem::path& path, const TrainingData& training) {
  const data::Interactions& log = training.train;
  IdColumn users(training.users.ids());
  IdColumn items(training.sids.items);
  std::vector<std::int64_t> times;
  std::vector<data::ColumnSpec> columns = {users.spec("user_id"), items.spec("item_id")};
  if (log.has_time()) columns.push_back({"timestamp", data::ColumnType::int64});
  data::TableWriter writer(columns, log.users.in_file() ? kWriterMemoryMib : 0);
  std::size_t pending = 0;
  const auto flush = [&] {
    std::vector<data::ColumnData> values = {users.data(), items.data()};
    if (log.has_time()) values.emplace_back(std::span<const std::int64_t>(times));
    if (pending > 0) writer.append(values);
    users.clear();
    items.clear();
    times.clear();
    pending = 0;
  };
  for (std::size_t i = 0; i < log.size(); ++i) {
    if (log.has_labels() && log.labels[i] == 0) continue;
    users.add(log.users[i]);
    items.add(log.items[i]);
    if (log.has_time()) times.push_back(log.timestamps[i]);
    if (++pending == kWriteChunk) flush();
  }
  flush();
  writer.finish(path, {{"neume", json{{"format_version", kRankerFormatVersion}, {"kind", "history"}}.dump()}});
}

json metrics_to_json(const RankerMetrics& m) {
  return {{"auc", optional_number(m.auc)},
          {"auc_cold", optional_number(m.auc_cold)},
          {"logloss", m.logloss},
          {"gauc", optional_number(m.gauc)},
          {"gauc_mode", "impression"},
          {"gauc_users_dropped", m.gauc_users_dropped},
          {"base_rate", m.base_rate},
          {"mean_prediction", m.mean_prediction},
          {"samples", m.samples},
          {"positives", m.positives},
          {"users", m.users},
          {"cold_samples", m.cold_samples},
          {"cold_threshold", m.cold_threshold},
          {"skipped_rows", m.skipped_rows}};
}

json epoch_to_json(const EpochReport& epoch) {
  json out = {{"epoch", epoch.epoch}, {"training_loss", epoch.training_loss}, {"seconds", epoch.seconds}};
  if (epoch.validation) out["validation"] = metrics_to_json(*epoch.validation);
  return out;
}

EpochReport epoch_from_json(const json& in) {
  EpochReport epoch{in.at("epoch"), in.at("training_loss"), in.at("seconds"), {}};
  if (!in.contains("validation")) return epoch;
  const json& v = in.at("validation");
  RankerMetrics m;
  m.auc = read_optional(v.at("auc"));
  m.auc_cold = read_optional(v.at("auc_cold"));
  v.at("logloss").get_to(m.logloss);
  m.gauc = read_optional(v.at("gauc"));
  v.at("gauc_users_dropped").get_to(m.gauc_users_dropped);
  v.at("base_rate").get_to(m.base_rate);
  v.at("mean_prediction").get_to(m.mean_prediction);
  v.at("samples").get_to(m.samples);
  v.at("positives").get_to(m.positives);
  v.at("users").get_to(m.users);
  v.at("cold_samples").get_to(m.cold_samples);
  v.at("cold_threshold").get_to(m.cold_threshold);
  v.at("skipped_rows").get_to(m.skipped_rows);
  epoch.validation = m;
  return epoch;
}

}  // namespace neume::rank
