// The parts of bench/compare_encoding.py that are ours: the products alone, a Parquet file of an NPY file's rows, codes
// against brute force, codes against another library's.
//
//   encode_bench --floor --items N --width D       {"seconds": ...}: N x D rows times 3 codebooks of 256 codes, in
//   cache encode_bench --make-parquet ROWS.npy OUT       columns item_id and x encode_bench --check ROWS.npy CODEBOOK
//   SIDS... 1,000 rows in double; fails unless all codes are nearest, ties apart encode_bench --compare SIDS CODES.npy
//   items with the same ID

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <neume/quantizer.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "data/row_file.hpp"
#include "data/sids_file.hpp"
#include "data/table_writer.hpp"
#include "kernels/matmul.hpp"
#include "quantize/preprocess.hpp"
#include "quantize/residual_codec.hpp"

namespace {

using namespace neume;
using Arguments = std::vector<std::string>;

constexpr std::size_t kCodes = 256;
constexpr std::size_t kLayers = 3;

void print_floor(std::size_t items, std::size_t width) {
  Matrix codebooks(kLayers * kCodes, width);
  base::Random random(1);
  for (float& x : codebooks.flat()) x = static_cast<float>(random.normal());
  const std::size_t blocks = base::num_chunks(items, quantize::kBlockRows), at_once = 128;
  const auto start = std::chrono::steady_clock::now();
  base::parallel_for(base::num_chunks(blocks, at_once), [&](std::size_t chunk) {
    Matrix rows(quantize::kBlockRows, width), scores(quantize::kBlockRows, kCodes);
    std::copy_n(codebooks.data(), rows.size(), rows.data());
    for (std::size_t block = chunk * at_once; block < std::min(blocks, (chunk + 1) * at_once); ++block)
      for (std::size_t layer = 0; layer < kLayers; ++layer)
        kernels::matmul({quantize::kBlockRows, kCodes, width}, {rows.data(), width},
                        {codebooks.row(layer * kCodes).data(), width, true}, {scores.data(), kCodes});
  });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print("{{\"seconds\": {}}}\n", seconds);
}

void make_parquet(const std::string& npy, const std::string& out) {
  const data::RowFile file = data::RowFile::of_npy(npy);
  std::vector<std::int64_t> ids;
  Matrix rows(2048, file.cols());
  const data::RowSupply supply = [&](std::size_t first, std::size_t count) {
    ids.resize(count);
    std::iota(ids.begin(), ids.end(), static_cast<std::int64_t>(first));
    file.read(first, rows.view().slice(0, count));
    return std::vector<data::ColumnData>{{std::span<const std::int64_t>(ids)},
                                         {ConstMatrixView(rows.view().slice(0, count))}};
  };
  data::write_table(out, {{"item_id", data::ColumnType::int64}, {"x", data::ColumnType::float_list}}, file.rows(),
                    supply);
}

/// The nearest codewords of a mapped row, layer by layer, in double.
std::vector<Code> brute_force(const std::vector<CodebookLayer>& layers, double prefix_weight,
                              std::span<const float> row) {
  std::vector<double> residual(row.begin(), row.end()), prefix(row.size());
  std::vector<Code> codes;
  for (const CodebookLayer& layer : layers) {
    double least = std::numeric_limits<double>::infinity();
    std::size_t nearest = 0;
    for (std::size_t c = 0; c < layer.size(); ++c) {
      double distance = 0.0;
      for (std::size_t j = 0; j < row.size(); ++j) {
        distance += std::pow(residual[j] - layer.residual.row(c)[j], 2);
        if (!layer.prefix.empty()) distance += std::pow(prefix_weight * (prefix[j] - layer.prefix.row(c)[j]), 2);
      }
      if (distance < least) {
        least = distance;
        nearest = c;
      }
    }
    codes.push_back(static_cast<Code>(nearest));
    for (std::size_t j = 0; j < row.size(); ++j) {
      residual[j] -= layer.residual.row(nearest)[j];
      prefix[j] += layer.residual.row(nearest)[j];
    }
  }
  return codes;
}

int check(const std::string& npy, const std::string& codebook, const std::string& sids_file) {
  constexpr std::size_t kRows = 1000;
  const data::RowFile file = data::RowFile::of_npy(npy);
  const Quantizer quantizer = Quantizer::load(codebook);
  const auto& codec = dynamic_cast<const quantize::ResidualCodec&>(quantizer.codec());
  const SemanticIds sids = data::read_semantic_ids(sids_file);
  std::vector<std::uint8_t> wrong(kRows), tie(kRows);
  base::parallel_for(kRows, [&](std::size_t i) {
    const std::size_t item = i * (file.rows() - 1) / (kRows - 1);
    Matrix row(1, file.cols());
    file.read(item, row.view());
    quantizer.map(row.view(), row.view());
    const double weight = quantizer.options().effective_prefix_weight();
    const std::vector<Code> expected = brute_force(codec.layers(), weight, row.row(0));
    const auto found = sids.families[0].of(item);
    if (std::equal(expected.begin(), expected.end(), found.begin())) return;
    const auto scratch = codec.make_scratch();
    (codec.is_tie(*scratch, row.row(0), expected.data(), found.data()) ? tie : wrong)[i] = 1;
  });
  const auto num_wrong = std::accumulate(wrong.begin(), wrong.end(), 0),
             ties = std::accumulate(tie.begin(), tie.end(), 0);
  fmt::print("{}: {} items, {} of them checked against brute force: {} wrong, {} ties\n", sids_file, sids.items.size(),
             kRows, num_wrong, ties);
  return num_wrong == 0 && sids.items.size() == file.rows() ? 0 : 1;
}

void compare(const std::string& sids_file, const std::string& codes_file) {
  const SemanticIds sids = data::read_semantic_ids(sids_file);
  const data::RowFile other = data::RowFile::of_npy(codes_file);
  std::size_t same = 0;
  Matrix codes(1, other.cols());
  for (std::size_t item = 0; item < other.rows(); ++item) {
    other.read(item, codes.view());
    same += std::ranges::equal(sids.families[0].of(item), codes.row(0)) ? 1 : 0;
  }
  fmt::print("{}: {} of {} items have the ID of {}\n", codes_file, same, other.rows(), sids_file);
}

int run(const Arguments& arguments) {
  if (arguments.size() == 5 && arguments[0] == "--floor") {
    print_floor(std::strtoull(arguments[2].c_str(), nullptr, 10), std::strtoull(arguments[4].c_str(), nullptr, 10));
  } else if (arguments.size() == 3 && arguments[0] == "--make-parquet") {
    make_parquet(arguments[1], arguments[2]);
  } else if (arguments.size() >= 4 && arguments[0] == "--check") {
    int status = 0;
    for (std::size_t i = 3; i < arguments.size(); ++i) status |= check(arguments[1], arguments[2], arguments[i]);
    return status;
  } else if (arguments.size() == 3 && arguments[0] == "--compare") {
    compare(arguments[1], arguments[2]);
  } else {
    fmt::print(stderr, "see the beginning of encode_bench.cpp\n");
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run({argv + 1, argv + argc});
}
