// Writes the seeds of the fuzzers anew: make_seeds tests/fuzz/corpus. Small files of every kind that the readers
// accept, and some that they refuse late.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include <neume/quantizer.hpp>

#include "base/file.hpp"
#include "data/safetensors.hpp"

namespace {

namespace fs = std::filesystem;
using namespace neume;  // NOLINT: a program of one file

void write(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string npy(const std::string& header, std::size_t data_bytes, char major) {
  const auto length = static_cast<std::uint32_t>(header.size());
  std::string bytes = std::string("\x93NUMPY") + major + '\0';
  bytes.append(reinterpret_cast<const char*>(&length), major == 1 ? 2 : 4);
  bytes += header;
  for (std::size_t i = 0; i < data_bytes; ++i) bytes += static_cast<char>(i * 37);
  return bytes;
}

void write_npy_seeds(const fs::path& folder) {
  write(folder / "f32", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }\n", 24, 1));
  write(folder / "f16", npy("{'descr': '<f2', 'fortran_order': False, 'shape': (1, 5), }\n", 10, 2));
  write(folder / "f64", npy("{\"shape\":(2,1),\"descr\":\"<f8\",\"fortran_order\":False}", 16, 3));
  write(folder / "huge", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", 0, 1));
  write(folder / "fortran", npy("{'descr': '>f4', 'fortran_order': True, 'shape': (1,), }", 4, 1));
}

void write_safetensors_seeds(const fs::path& folder) {
  const std::vector<float> floats{1.0f, -2.5f, 0.0f, 3e38f};
  const std::vector<std::uint16_t> shorts{0, 65535};
  const std::vector<std::uint8_t> bytes{7};
  fs::create_directories(folder);
  const std::vector<data::TensorView> tensors{data::tensor_of("a", {2, 2}, floats), data::tensor_of("b", {2}, shorts),
                                              data::tensor_of("c", {}, bytes),
                                              data::tensor_of("none", {0, 9}, std::span<const float>{})};
  data::write_safetensors(folder / "checked", tensors, {{"key", "value"}});
  const std::string header =
      R"({"w":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"v":{"dtype":"I32","shape":[2],"data_offsets":[8,16]}})";
  const std::uint64_t length = header.size();
  write(folder / "other-writer",
        std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + std::string(16, '\1'));
}

void write_codebook_seed(const fs::path& path, QuantizerOptions options, Scaling scaling) {
  constexpr std::size_t kRows = 40, kWidth = 4;
  Matrix rows(kRows, kWidth);
  for (std::size_t i = 0; i < rows.size(); ++i) rows.data()[i] = static_cast<float>(i * i % 101);
  options.layers = options.method == QuantizerMethod::vq ? 1 : 2;
  options.codes = {3};
  options.iterations = 3;
  options.rqvae.hidden = {3};
  options.rqvae.latent_width = 2;
  options.rqvae.epochs = 1;
  const auto fit = Quantizer::fit(std::move(rows), {{"text", "audio"}, {3, 1}, scaling}, options);
  fs::create_directories(path.parent_path());
  fit.quantizer.save(path);
}

void write_codebook_seeds(const fs::path& folder) {
  write_codebook_seed(folder / "psrq", {.method = QuantizerMethod::psrq, .prefix_weight = 0.5}, Scaling::rms);
  write_codebook_seed(folder / "balanced", {.method = QuantizerMethod::rq, .balanced = true}, Scaling::l2);
  write_codebook_seed(folder / "vq", {.method = QuantizerMethod::vq}, Scaling::none);
  write_codebook_seed(folder / "pq", {.method = QuantizerMethod::pq}, Scaling::none);
  write_codebook_seed(folder / "opq", {.method = QuantizerMethod::opq}, Scaling::none);
  write_codebook_seed(folder / "rqvae", {.method = QuantizerMethod::rqvae}, Scaling::none);
}

/// The first character is what toml_fuzzer.cpp takes for the reader.
void write_toml_seeds(const fs::path& folder) {
  const std::string start =
      "[run]\nout = \"o\"\nseeds = [1, 2]\n[modalities]\ntext = \"${data}/t.npy\"\naudio = 'a.parquet:v'\n"
      "[data]\nfolder = \"d\"\n[log]\ntrain = \"t.csv\"\ntest = \"${data}/e.csv\"\nlabel = \"rating >= 4\"\n"
      "[[quantizer]]\nname = \"rq\"\nmethod = \"rq\"\ncodes = [8, 4]\nlayers = 2\n";
  write(folder / "run",
        "0" + start + "[[ranker]]\nname = \"MCCA\"\nmodel = \"mcca\"\n[evaluate]\nfull-ranking = true\n");
  write(folder / "synth",
        "0[run]\nout = \"o\"\n[synth]\nitems = 100\n[modalities]\ntext = \"${data}/i.parquet:text\"\n"
        "[[quantizer]]\nname = \"p\"\nprefix-weight = \"auto\"\n");
  write(folder / "compare", "1" + start +
                                "[quantizer.grid]\nprefix-weight = [0.5, 1.0]\n[[ranker]]\nname = \"DIN\"\n"
                                "model = \"din\"\nquantizer = [\"rq\"]\ntable = [\"A\"]\n[ranker.grid]\n"
                                "embedding-width = [16, 32]\n[compare]\nbaseline = \"DIN\"\njobs = 2\n");
  write(folder / "fit",
        "2modality = [\"a=a.npy\"]\nout = 'c'\nrqvae-hidden = [64, 0x20]\ntolerance = 1e-4\njoint = true\n");
  write(folder / "encode", "3codebooks = \"c\"\nmodality = \"a=a.npy\"\nout = \"\"\"s\"\"\"\nbeam = 2 # more\n");
  write(folder / "sweep", "4methods = [\"rq\", \"pq\"]\nprefix-weights = [0, 0.5]\ncodes = 64\nout = \"s\"\n");
  write(folder / "train", "5sids = \"s\"\nmodel = \"din\"\nfeature = [\"item:tag\"]\nseed = 7\nthreads = 1\n");
}

/// The first character is what request_fuzzer.cpp takes for the reader.
void write_request_seeds(const fs::path& folder) {
  write(folder / "target", "H/v1/similar/a%20b%c3%a9?family=text&top=5");
  write(folder / "origin", "Hhttp://127.0.0.1:8080/v1/items/7");
  write(folder / "query", "Ifamily=text+audio&top=%35&flag");
  write(folder / "rank",
        R"(J{"user_id":"u","history":["a",{"item_id":7}],"candidates":["b","c"],"top":2,"exclude_history":true,)"
        R"("explain":false})");
  write(folder / "rank-all", R"(J{"user_id":3,"candidates":"all"})");
  write(folder / "event", R"(K{"event_id":"e","user_id":"u","item_id":"a","timestamp":-5,"label":true})");
  write(folder / "events", R"(K[{"user_id":"u","item_id":"\u00e9"},{"user_id":1,"item_id":2,"label":0}])");
  write(folder / "item-embeddings", R"(L{"item_id":"n","embeddings":{"text":[0.5,-1e-3,2],"audio":[0]}})");
  write(folder / "item-codes", R"(L{"item_id":"n","codes":{"text":[1,2,3]}})");
  write(folder / "encode", R"(M{"embeddings":{"text":[1,2.5]}})");
  write(folder / "model", R"(N{"variant":"new","model":"m","codebooks":"c"})");
  write(folder / "restore", R"(O{"variant":"new"})");
  write(folder / "infer",
        R"(P{"id":"1","inputs":[{"name":"user_id","datatype":"BYTES","shape":[1],"data":["u"]},)"
        R"({"name":"candidates","datatype":"BYTES","shape":[1,2],"data":["a","b"]}],"outputs":[{"name":"scores"}]})");
}

void write_tokens_seeds(const fs::path& folder) {
  const std::string hash(64, '7');
  write(folder / "three", "# who may call\nread " + hash + " dashboard\r\n\twrite 8" + hash.substr(1) + "\n\nadmin 9" +
                              hash.substr(1) + " # night\n");
  write(folder / "mark", "\xEF\xBB\xBFread " + hash);
  write(folder / "short", "read " + hash.substr(1));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make_seeds FOLDER\n", stderr);
    return 2;
  }
  const fs::path folder = argv[1];
  write_npy_seeds(folder / "npy");
  write_safetensors_seeds(folder / "safetensors");
  write_codebook_seeds(folder / "codebook");
  write_toml_seeds(folder / "toml");
  write_request_seeds(folder / "request");
  write_tokens_seeds(folder / "tokens");
  return 0;
}
