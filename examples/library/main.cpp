// Semantic IDs of 2,000 made-up embeddings, without files: fit, encode, decode, save, load.
#include <iostream>
#include <neume/quantizer.hpp>
#include <random>

int main() {
  constexpr std::size_t kWidth = 32;
  std::mt19937 random(1);
  std::vector<float> embeddings(2000 * kWidth);
  for (float& value : embeddings) value = static_cast<float>(random() % 1000);
  const neume::ConstMatrixView rows = neume::as_rows(embeddings, kWidth);

  const neume::InputShape shape{.block_names = {"text"}, .block_widths = {kWidth}};
  const auto fit = neume::Quantizer::fit(rows, shape, {.method = neume::QuantizerMethod::rq, .codes = {64}});
  fit.quantizer.save("text.safetensors");

  const auto loaded = neume::Quantizer::load("text.safetensors");
  const std::vector<neume::Code> ids = loaded.encode(rows);
  for (std::size_t i = 0; i < 3; ++i)
    std::cout << "row " << i << ": " << ids[3 * i] << ' ' << ids[3 * i + 1] << ' ' << ids[3 * i + 2] << '\n';
  std::cout << "variance explained: " << loaded.reconstruction(rows, ids).variance_explained.back() << '\n'
            << "first value " << embeddings[0] << ", decoded " << loaded.decode(ids).row(0)[0] << '\n';
  return ids == fit.codes ? 0 : 1;
}
