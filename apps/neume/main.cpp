// The command line: finds the verb, reads its flags and its --config file, runs it, and turns errors into exit codes:
// 0 done, 2 a usage or input error, 1 a bug of ours.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <neume/error.hpp>

#include "ab_settings.hpp"
#include "base/parallel.hpp"
#include "flag_adder.hpp"
#include "instruction_set.hpp"
#include "serve_settings.hpp"
#include "settings.hpp"
#include "toml_reader.hpp"

namespace neume::app {
namespace {

/// A verb with its settings.
class Verb {
 public:
  virtual ~Verb() = default;
  virtual CLI::App* add_to(CLI::App& program) = 0;
  virtual void read(TomlReader& reader) = 0;
  virtual int run(Console& console) const = 0;

  CommonSettings common;
  std::string config;
};

template <class Settings>
class VerbOf : public Verb {
 public:
  CLI::App* add_to(CLI::App& program) override {
    CLI::App* app = program.add_subcommand(std::string(Settings::kName), std::string(Settings::kHelp));
    std::string footer = fmt::format("Example:\n  {}", Settings::kExample);
    if constexpr (requires { Settings::kNotes; }) footer += fmt::format("\n\n{}", Settings::kNotes);
    app->footer(footer);
    std::string_view positional;
    if constexpr (requires { Settings::kPositional; }) positional = Settings::kPositional;
    FlagAdder adder(*app, positional);
    settings_.describe(adder);
    common.describe(adder);
    app->add_option("--config", config, "TOML file with any of these options as keys; flags win")->type_name("FILE");
    return app;
  }

  void read(TomlReader& reader) override {
    settings_.describe(reader);
    common.describe(reader);
    reader.finish();
  }

  int run(Console& console) const override { return neume::app::run(settings_, console); }

 private:
  Settings settings_;
};

std::vector<std::unique_ptr<Verb>> make_verbs() {
  std::vector<std::unique_ptr<Verb>> verbs;
  verbs.push_back(std::make_unique<VerbOf<RunSettings>>());
  verbs.push_back(std::make_unique<VerbOf<SynthSettings>>());
  verbs.push_back(std::make_unique<VerbOf<FitSettings>>());
  verbs.push_back(std::make_unique<VerbOf<EncodeSettings>>());
  verbs.push_back(std::make_unique<VerbOf<DriftSettings>>());
  verbs.push_back(std::make_unique<VerbOf<VerifySettings>>());
  verbs.push_back(std::make_unique<VerbOf<InspectSettings>>());
  verbs.push_back(std::make_unique<VerbOf<SweepSettings>>());
  verbs.push_back(std::make_unique<VerbOf<TrainSettings>>());
  verbs.push_back(std::make_unique<VerbOf<EvaluateSettings>>());
  verbs.push_back(std::make_unique<VerbOf<CompareSettings>>());
  verbs.push_back(std::make_unique<VerbOf<AbSettings>>());
  verbs.push_back(std::make_unique<VerbOf<ExportSettings>>());
  verbs.push_back(std::make_unique<VerbOf<ServeSettings>>());
  verbs.push_back(std::make_unique<VerbOf<InfoSettings>>());
  return verbs;
}

/// One parse of the command line.
class CommandLine {
 public:
  CommandLine() : verbs_(make_verbs()) {
    app_.name("neume");
    app_.description("neume turns content embeddings into semantic IDs, and trains and judges rankers that read them.");
    app_.footer("neume VERB --help tells a verb's options, defaults and an example.");
    app_.set_version_flag("--version", NEUME_VERSION);
    app_.require_subcommand(1);
    for (const auto& verb : verbs_) apps_.push_back(verb->add_to(app_));
  }

  /// Puts the values of a --config file under those that the command line will set.
  void read_config(const std::string& verb_name, const std::string& file) {
    const toml::table table = parse_toml(file);
    TomlReader reader(table, file, "");
    for (std::size_t i = 0; i < verbs_.size(); ++i)
      if (apps_[i]->get_name() == verb_name) verbs_[i]->read(reader);
  }

  void parse(int argc, char** argv) { app_.parse(argc, argv); }

  /// Prints help or version; nothing for a real error.
  bool show(const CLI::ParseError& error) const { return error.get_exit_code() == 0 && app_.exit(error) == 0; }

  /// The verb that was parsed.
  Verb& verb() const {
    for (std::size_t i = 0; i < verbs_.size(); ++i)
      if (apps_[i]->parsed()) return *verbs_[i];
    throw InternalError("the command line was read without a verb");
  }

  std::vector<std::string> verb_names() const {
    std::vector<std::string> names;
    for (const CLI::App* app : apps_) names.push_back(app->get_name());
    return names;
  }

 private:
  std::vector<std::unique_ptr<Verb>> verbs_;
  std::vector<CLI::App*> apps_;
  CLI::App app_;
};

int run_verb(Verb& verb) {
  limit_instruction_set();
  base::set_num_threads(verb.common.threads);
  Console console(verb.common.quiet);
  return verb.run(console);
}

/// Parses, and parses again over the values of the --config file where there is one.
int run_command(int argc, char** argv, const std::string& name) {
  auto line = std::make_unique<CommandLine>();
  try {
    line->parse(argc, argv);
    const std::string config = line->verb().config;
    if (!config.empty()) {
      line = std::make_unique<CommandLine>();
      line->read_config(name, config);
      line->parse(argc, argv);
    }
  } catch (const CLI::ParseError& error) {
    if (line->show(error)) return 0;
    throw InvalidArgument(error.what());
  }
  return run_verb(line->verb());
}

int report(const std::string& subject, std::string message, int exit_code) {
  for (char& c : message)
    if (c == '\n') c = ' ';
  fmt::print(stderr, "{}: {}\n", subject, message);
  return exit_code;
}

int guarded(int argc, char** argv) {
  const std::vector<std::string> verbs = CommandLine().verb_names();
  const std::string first = argc > 1 ? argv[1] : "";
  const bool is_verb = std::ranges::count(verbs, first) > 0;
  const std::string subject = is_verb ? "neume " + first : "neume";
  try {
    if (!is_verb && !first.starts_with('-')) {
      throw InvalidArgument(fmt::format("expected a verb ({}), found {}; neume --help tells more",
                                        fmt::join(verbs, ", "), first.empty() ? "nothing" : first));
    }
    return run_command(argc, argv, first);
  } catch (const InternalError& error) {
    return report(subject, fmt::format("a bug of neume's own: {}", error.what()), 1);
  } catch (const Error& error) {
    return report(subject, error.what(), 2);
  } catch (const std::filesystem::filesystem_error& error) {
    return report(subject, error.what(), 2);
  } catch (const std::bad_alloc&) {
    return report(subject, "not enough memory", 1);
  } catch (const std::exception& error) {
    return report(subject, fmt::format("a bug of neume's own: {}", error.what()), 1);
  }
}

/// Lets waiting threads sleep. libgomp's default is to spin, which is no faster on a quiet machine and several times
/// slower on a busy one (docs/decisions/0006); it reads the setting when it is loaded, so the program starts once more.
void prefer_sleeping_threads(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  if (setenv("OMP_WAIT_POLICY", "passive", 1) == 0) execv("/proc/self/exe", argv);
  // execv returns only where it failed: then the threads spin.
}

/// Keeps freed memory for the next request. Reading a list column of Parquet frees and asks again for tens of MiB a
/// chunk, and two fifths of its CPU time went to pages that the system took back and cleared (docs/benchmarks.md,
/// "Encoding").
void keep_freed_memory() {
  constexpr int kLargestFromHeap = 32 << 20;  // glibc accepts no more
  constexpr int kKept = 256 << 20;
  mallopt(M_MMAP_THRESHOLD, kLargestFromHeap);
  mallopt(M_TRIM_THRESHOLD, kKept);
}

}  // namespace
}  // namespace neume::app

int main(int argc, char** argv) {
  // A write beyond the limit of `ulimit -f` then fails like one to a full disk, with a message, instead of ending us.
  std::signal(SIGXFSZ, SIG_IGN);
  neume::app::prefer_sleeping_threads(argv);
  neume::app::keep_freed_memory();
  return neume::app::guarded(argc, argv);
}
