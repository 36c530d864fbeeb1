#include "rank/bundle_files.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/options_json.hpp"
#include "data/table_source.hpp"
#include "data/table_writer.hpp"
#include "rank/loss_curve.hpp"
#include "rank/metrics_json.hpp"

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
  for (const auto& block : training.content.blocks) {
    all["content"].push_back({block.name, block.rows.cols(), base::fingerprint(std::as_bytes(block.rows.flat()))});
  }
  if (options.table_init == TableInit::centroids) {
    for (const auto& [family, layers] : training.tables.centroids) {
      for (const Matrix& layer : layers) {
        all["centroids"][family].push_back({layer.cols(), base::fingerprint(std::as_bytes(layer.flat()))});
      }
    }
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

void write_users(const std::filesystem::path& path, const data::IdIndex& users, std::size_t count) {
  IdColumn column(users.ids());
  for (std::uint32_t user = 0; user < count; ++user) column.add(user);
  const std::vector<data::ColumnSpec> specs = {column.spec("user_id")};
  const std::vector<data::ColumnData> values = {column.data()};
  data::TableWriter writer(specs);
  writer.append(values);
  writer.finish(path, {{"neume", json{{"format_version", kRankerFormatVersion}, {"kind", "users"}}.dump()}});
}

data::IdIndex read_users(const std::filesystem::path& path) {
  data::TableSource table({path.string(), "", data::FileKind::parquet}, data::TypeSample::whole_file);
  const auto id = data::IdColumn::of(table, "user_id", "train again");
  data::IdIndex users;
  data::QueryRows rows = table.select(id.expression);
  while (rows.next()) {
    const data::ColumnView column = rows.column(0);
    for (std::size_t i = 0; i < rows.num_rows(); ++i) {
      const std::size_t row = rows.first_row() + i;
      const bool valid = column.is_valid(i);
      const bool is_new = valid && row == (id.is_text ? users.find_or_add(column.text(i))
                                                      : users.find_or_add(column.values<std::int64_t>()[i]));
      if (!is_new) {
        throw DataError(fmt::format("{}: row {} (0-based): expected a user of its own, found {}; train again",
                                    path.string(), row, valid ? "one that stands before" : "null"));
      }
    }
  }
  return users;
}

bool keeps_content(const RankerOptions& options) {
  return options.model == RankerModel::vbpr || options.model == RankerModel::simtier_make;
}

bool keeps_users(const RankerOptions& options) {
  return options.model == RankerModel::vbpr;
}

json epoch_to_json(const EpochReport& epoch) {
  json out = {{"epoch", epoch.epoch},
              {"training_loss", epoch.training_loss},
              {"seconds", epoch.seconds},
              {"curve", curve_to_json(epoch.curve)}};
  if (epoch.validation) out["validation"] = json(metrics_to_json(*epoch.validation));
  return out;
}

EpochReport epoch_from_json(const json& in) {
  EpochReport epoch{in.at("epoch"), in.at("training_loss"), in.at("seconds"), {}, curve_from_json(in.at("curve"))};
  if (in.contains("validation")) epoch.validation = metrics_from_json(in.at("validation"));
  return epoch;
}

}  // namespace neume::rank
