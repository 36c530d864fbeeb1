// Laws of the residual quantizer.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include <neume/error.hpp>
#include <neume/quantizer.hpp>

#include "quantize/sample_rows.hpp"

namespace neume {
namespace {

std::vector<Code> column(const std::vector<Code>& codes, std::size_t layers, std::size_t layer) {
  std::vector<Code> result;
  for (std::size_t i = layer; i < codes.size(); i += layers) result.push_back(codes[i]);
  return result;
}

TEST(Quantizer, EncodeEqualsOracle) {
  const Matrix data = mixture_rows(1000, 13, 60, 1);
  for (const double lambda : {0.0, 0.5, 1.0}) {
    const QuantizerFit fit = fit_rows(data, small_options(QuantizerMethod::psrq, lambda), Scaling::rms);
    const oracle::Rows x = transformed(fit.quantizer, data.view());
    oracle::Rows residuals = x;
    for (std::size_t l = 0; l < 3; ++l) {
      const bool wide = l > 0 && lambda > 0;
      const oracle::Rows rows = wide ? oracle::wide_rows(x, residuals, lambda) : residuals;
      const oracle::Rows centroids = to_oracle(layer_of(fit.quantizer, l), lambda);
      const auto labels = oracle::assign(rows, centroids);
      EXPECT_TRUE(std::ranges::equal(column(fit.codes, 3, l), labels)) << lambda << " " << l;
      const double expected = oracle::objective(rows, centroids, labels);
      EXPECT_NEAR(fit.quantizer.reports()[l].objective.back(), expected, 2e-5 * expected);
      oracle::subtract(residuals, centroids, labels);
    }
  }
}

TEST(Quantizer, ZeroPrefixWeightIsResidualQuantization) {
  const Matrix data = mixture_rows(1500, 9, 50, 2);
  const QuantizerFit rq = fit_rows(data, small_options(QuantizerMethod::rq));
  const QuantizerFit psrq = fit_rows(data, small_options(QuantizerMethod::psrq, 0.0));
  EXPECT_EQ(rq.codes, psrq.codes);
  for (std::size_t l = 0; l < 3; ++l) {
    EXPECT_TRUE(layer_of(psrq.quantizer, l).prefix.empty());
    EXPECT_TRUE(
        std::ranges::equal(layer_of(rq.quantizer, l).residual.flat(), layer_of(psrq.quantizer, l).residual.flat()));
  }
  EXPECT_NE(rq.codes, fit_rows(data, small_options(QuantizerMethod::psrq, 1.0)).codes);
}

TEST(Quantizer, FirstLayerIsTheSameForAllMethods) {
  const Matrix data = mixture_rows(1500, 9, 50, 3);
  const QuantizerFit vq = fit_rows(data, small_options(QuantizerMethod::vq));
  EXPECT_EQ(vq.quantizer.num_layers(), 1u);
  for (const auto method : {QuantizerMethod::rq, QuantizerMethod::psrq})
    EXPECT_EQ(column(fit_rows(data, small_options(method)).codes, 3, 0), vq.codes);
}

TEST(Quantizer, ObjectiveNeverRises) {
  const Matrix data = mixture_rows(2000, 16, 80, 4);
  for (const double lambda : {0.0, 0.7, 1.0, 3.0}) {
    const QuantizerFit fit = fit_rows(data, small_options(QuantizerMethod::psrq, lambda));
    for (const LayerReport& report : fit.quantizer.reports())
      for (std::size_t t = 1; t < report.objective.size(); ++t)
        EXPECT_LE(report.objective[t], report.objective[t - 1] * (1 + 1e-5)) << lambda;
  }
}

TEST(Quantizer, EncodeOfFittedRowsGivesFitCodes) {
  for (const std::size_t rows : {17u, 128u, 1300u, 9000u}) {
    for (const std::size_t width : {1u, 7u, 64u}) {
      for (const auto scaling : {Scaling::none, Scaling::rms, Scaling::l2}) {
        QuantizerOptions options = small_options();
        options.codes = {13, 16, 5};
        options.iterations = 4;
        if (width == 1 && scaling == Scaling::l2) continue;  // only the sign is left: two distinct rows
        const Matrix data = mixture_rows(rows, width, 40, rows + width);
        const QuantizerFit fit = fit_rows(data, options, scaling);
        EXPECT_EQ(encode_rows(fit.quantizer, data.view()), fit.codes) << rows << " " << width;
      }
    }
  }
}

TEST(Quantizer, CodesDoNotDependOnBatchOrderOrThreads) {
  const std::size_t rows = 700;
  const Matrix data = mixture_rows(rows, 24, 60, 7);
  QuantizerOptions options = small_options();
  options.codes = {100};
  const QuantizerFit fit = fit_rows(data, options);
  for (const std::size_t threads : {1u, 2u, 3u}) {
    const Threads scope(threads);
    EXPECT_EQ(fit_rows(data, options).codes, fit.codes);
    for (const std::size_t batch : {1u, 3u, 127u, 129u, 513u}) {
      std::vector<Code> codes(rows * 3);
      for (std::size_t begin = 0; begin < rows; begin += batch) {
        const std::size_t end = std::min<std::size_t>(rows, begin + batch);
        fit.quantizer.encode(data.view().slice(begin, end), std::span(codes).subspan(begin * 3, (end - begin) * 3));
      }
      EXPECT_EQ(codes, fit.codes) << batch;
    }
    Matrix reversed(rows, 24);
    for (std::size_t i = 0; i < rows; ++i) std::ranges::copy(data.row(rows - 1 - i), reversed.row(i).begin());
    const auto codes = encode_rows(fit.quantizer, reversed.view());
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t l = 0; l < 3; ++l) ASSERT_EQ(codes[i * 3 + l], fit.codes[(rows - 1 - i) * 3 + l]);
  }
}

TEST(Quantizer, CodesDoNotDependOnTheStrideOfTheRows) {
  const Matrix wide = mixture_rows(200, 20, 30, 8);
  const ConstMatrixView part{wide.data() + 3, wide.rows(), 11, wide.cols()};
  Matrix narrow(200, 11);
  for (std::size_t i = 0; i < 200; ++i) std::ranges::copy(part.row(i), narrow.row(i).begin());
  const QuantizerFit fit = fit_rows(narrow, small_options());
  EXPECT_EQ(encode_rows(fit.quantizer, part), fit.codes);
}

TEST(Quantizer, RowsAreTheirPartsAndTheLastResidual) {
  const Matrix data = mixture_rows(600, 10, 40, 9);
  for (const auto scaling : {Scaling::none, Scaling::rms}) {
    const QuantizerFit fit = fit_rows(data, small_options(), scaling);
    const oracle::Rows x = transformed(fit.quantizer, data.view());
    Matrix decoded(600, 10);
    fit.quantizer.decode(fit.codes, decoded.view());
    const auto explained = explained_variance(fit.quantizer, data.view(), fit.codes);
    ASSERT_EQ(explained.size(), 3u);
    std::vector<double> left(4, 0.0);
    for (std::size_t i = 0; i < x.size(); ++i) {
      oracle::Row residual = x[i];
      for (const double v : residual) left[0] += v * v;
      for (std::size_t l = 0; l < 3; ++l) {
        for (std::size_t j = 0; j < residual.size(); ++j)
          residual[j] -= layer_of(fit.quantizer, l).residual.row(fit.codes[i * 3 + l])[j];
        for (const double v : residual) left[l + 1] += v * v;
      }
      for (std::size_t j = 0; j < residual.size(); ++j)
        EXPECT_NEAR(decoded.row(i)[j] + residual[j] / double{fit.quantizer.scale()[j]}, data.row(i)[j], 1e-4);
    }
    for (std::size_t l = 0; l < 3; ++l) EXPECT_NEAR(explained[l], 1.0 - left[l + 1] / left[0], 1e-5);
  }
}

TEST(Quantizer, RmsScalingGivesEveryBlockTheSameWeight) {
  Matrix data(800, 9);
  base::Random random(4);
  for (std::size_t i = 0; i < 800; ++i)
    for (std::size_t j = 0; j < 9; ++j)
      data.row(i)[j] = static_cast<float>((j < 4 ? 1000.0 : 0.01) * (random.normal() + 2));
  const QuantizerFit fit = Quantizer::fit(data.clone(), {{"a", "b"}, {4, 5}, Scaling::rms}, small_options());
  double first = 0, second = 0;
  for (const auto& row : transformed(fit.quantizer, data.view()))
    for (std::size_t j = 0; j < 9; ++j) (j < 4 ? first : second) += row[j] * row[j];
  EXPECT_NEAR(first / 800, 1.0, 1e-4);
  EXPECT_NEAR(second / 800, 1.0, 1e-4);
  // The scale of the input does not matter then.
  Matrix louder = data.clone();
  for (std::size_t i = 0; i < 800; ++i)
    for (std::size_t j = 0; j < 4; ++j) louder.row(i)[j] *= 1024.0f;
  EXPECT_EQ(Quantizer::fit(std::move(louder), {{"a", "b"}, {4, 5}, Scaling::rms}, small_options()).codes, fit.codes);
}

TEST(Quantizer, L2ScalingForgetsNormsAndKeepsZeroRows) {
  Matrix data = mixture_rows(400, 8, 30, 5), scaled = data.clone();
  for (std::size_t i = 0; i < 400; ++i)
    for (float& x : scaled.row(i)) x *= std::exp2(static_cast<float>(i % 9) - 4.0f);  // exact, so norms are as well
  std::ranges::fill(data.row(7), 0.0f);
  std::ranges::fill(scaled.row(7), 0.0f);
  const QuantizerFit fit = fit_rows(data, small_options(), Scaling::l2);
  EXPECT_EQ(encode_rows(fit.quantizer, scaled.view()), fit.codes);
  EXPECT_NE(fit_rows(data, small_options(), Scaling::none).quantizer.mean()[0], fit.quantizer.mean()[0]);
  EXPECT_TRUE(std::ranges::all_of(fit.quantizer.scale(), [](float x) { return x == 1.0f; }));
}

TEST(Quantizer, ConstantColumnsAndConstantRows) {
  Matrix data(50, 3);
  std::ranges::fill(data.flat(), 4.0f);
  QuantizerOptions options = small_options();
  options.codes = {1};
  const QuantizerFit fit = fit_rows(data, options, Scaling::rms);
  EXPECT_EQ(fit.codes, std::vector<Code>(150, 0));
  EXPECT_EQ(explained_variance(fit.quantizer, data.view(), fit.codes), std::vector<double>(3, 1.0));
  options.codes = {2};
  EXPECT_THROW(fit_rows(data, options, Scaling::rms), DataError);
}

TEST(Quantizer, AsManyCodesAsRowsAndDuplicates) {
  // 40 rows, each five times, k = 40: layer 1 takes everything, deeper layers have nothing left to split.
  const Matrix distinct = mixture_rows(40, 6, 40, 6);
  Matrix data(200, 6);
  for (std::size_t i = 0; i < 200; ++i) std::ranges::copy(distinct.row(i % 40), data.row(i).begin());
  for (const double lambda : {0.0, 1.0}) {
    QuantizerOptions options = small_options(QuantizerMethod::psrq, lambda);
    options.codes = {40};
    const QuantizerFit fit = fit_rows(data, options);
    std::set<std::vector<Code>> ids;
    for (std::size_t i = 0; i < 200; ++i)
      ids.insert({fit.codes.begin() + 3 * static_cast<std::ptrdiff_t>(i),
                  fit.codes.begin() + 3 * static_cast<std::ptrdiff_t>(i + 1)});
    EXPECT_EQ(ids.size(), 40u);
    for (std::size_t i = 40; i < 200; ++i) EXPECT_EQ(fit.codes[i * 3], fit.codes[(i % 40) * 3]);
    EXPECT_GT(explained_variance(fit.quantizer, data.view(), fit.codes)[0], 1 - 1e-9);
    for (std::size_t l = 0; l < 3; ++l)
      EXPECT_TRUE(
          std::ranges::all_of(layer_of(fit.quantizer, l).residual.flat(), [](float x) { return std::isfinite(x); }));
    EXPECT_EQ(encode_rows(fit.quantizer, data.view()), fit.codes);
    options.codes = {41, 40, 40};
    EXPECT_THROW(fit_rows(data, options), DataError);
  }
}

TEST(Quantizer, NoRowsAndOneRow) {
  QuantizerOptions options = small_options();
  options.codes = {1};
  EXPECT_THROW(Quantizer::fit(Matrix(0, 4), one_block(4), options), DataError);
  Matrix one(1, 4);
  one.row(0)[2] = 5.0f;
  const QuantizerFit fit = fit_rows(one, options);
  EXPECT_EQ(fit.codes, std::vector<Code>(3, 0));
  Matrix decoded(1, 4);
  fit.quantizer.decode(fit.codes, decoded.view());
  EXPECT_EQ(decoded.row(0)[2], 5.0f);
  EXPECT_TRUE(encode_rows(fit.quantizer, ConstMatrixView{nullptr, 0, 4, 4}).empty());
}

TEST(Quantizer, MissingCodesDecodeToNaNAndDoNotCount) {
  const Matrix data = mixture_rows(100, 4, 20, 3);
  const QuantizerFit fit = fit_rows(data, small_options());
  std::vector<Code> codes = fit.codes;
  std::fill_n(codes.begin() + 30, 3, kNoCode);
  Matrix decoded(100, 4);
  fit.quantizer.decode(codes, decoded.view());
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(std::isnan(decoded.row(i)[1]), i == 10);
  EXPECT_LT(explained_variance(fit.quantizer, data.view(), codes)[2], 1.0);
  codes[0] = 16;
  EXPECT_THROW(fit.quantizer.decode(codes, decoded.view()), InvalidArgument);
  EXPECT_THROW(explained_variance(fit.quantizer, data.view(), codes), InvalidArgument);
}

/// The message of the error that `work` throws.
template <class Error, class Work>
std::string message_of(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no error of the expected kind";
  return {};
}

TEST(Quantizer, BadValuesAreNamed) {
  Matrix data = mixture_rows(300, 5, 30, 2);
  const QuantizerFit fit = fit_rows(data, small_options());
  std::vector<Code> codes(900);
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    Matrix broken = data.clone();
    broken.row(211)[3] = bad;
    const auto encoded = message_of<DataError>([&] { fit.quantizer.encode(broken.view(), codes); });
    EXPECT_NE(encoded.find("row 211: column 3"), std::string::npos) << encoded;
    const auto fitted = message_of<DataError>([&] { fit_rows(broken, small_options()); });
    EXPECT_NE(fitted.find("row 211: column 3"), std::string::npos) << fitted;
  }
  Matrix huge = data.clone();
  huge.row(4)[0] = 1e25f;
  EXPECT_NE(message_of<DataError>([&] { fit.quantizer.encode(huge.view(), codes); }).find("row 4: "),
            std::string::npos);
  EXPECT_NE(message_of<DataError>([&] { fit_rows(huge, small_options()); }).find("too large"), std::string::npos);
}

TEST(Quantizer, BadShapesAndOptionsAreNamed) {
  const Matrix data = mixture_rows(300, 5, 30, 2);
  const QuantizerFit fit = fit_rows(data, small_options());
  std::vector<Code> codes(900);
  const Matrix narrow(300, 4);
  const auto width = message_of<InvalidArgument>([&] { fit.quantizer.encode(narrow.view(), codes); });
  EXPECT_NE(width.find("expected rows of width 5, found 4"), std::string::npos) << width;
  codes.resize(899);
  EXPECT_THROW(fit.quantizer.encode(data.view(), codes), InvalidArgument);
  EXPECT_THROW(Quantizer::fit(data.clone(), one_block(6), small_options()), InvalidArgument);
  const auto rejects = [&](auto change) {
    QuantizerOptions options = small_options();
    change(options);
    EXPECT_THROW(fit_rows(data, options), InvalidArgument);
  };
  rejects([](auto& o) { o.layers = 0; });
  rejects([](auto& o) { o.layers = 17; });
  rejects([](auto& o) { o.codes = {}; });
  rejects([](auto& o) { o.codes = {0}; });
  rejects([](auto& o) { o.codes = {65536}; });
  rejects([](auto& o) { o.codes = {16, 16}; });
  rejects([](auto& o) { o.prefix_weight = -1; });
  rejects([](auto& o) { o.prefix_weight = std::nan(""); });
  rejects([](auto& o) { o.iterations = 0; });
  rejects([](auto& o) { o.tolerance = 2; });
}

TEST(Quantizer, ReportsProgressOfEveryLayer) {
  const Matrix data = mixture_rows(300, 5, 30, 2);
  std::set<std::string> stages;
  Quantizer::fit(data.clone(), one_block(5), small_options(), [&](const ProgressUpdate& update) {
    stages.insert(std::string(update.stage));
    EXPECT_LE(update.done, update.total);
  });
  EXPECT_EQ(stages, (std::set<std::string>{"layer 1 of 3", "layer 2 of 3", "layer 3 of 3"}));
}

}  // namespace
}  // namespace neume
