// Agreement of groups and labels: cases worked by hand, the definition of the expected information by listing every
// permutation, and scikit-learn as the oracle where it is installed.

#include "eval/label_agreement.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "base/parallel.hpp"
#include "base/random.hpp"

namespace neume::eval {
namespace {

using Names = std::vector<std::uint32_t>;

double naive_information(const Names& a, const Names& b) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, double> joint;
  std::map<std::uint32_t, double> of_a, of_b;
  for (std::size_t i = 0; i < a.size(); ++i) {
    joint[{a[i], b[i]}] += 1;
    of_a[a[i]] += 1;
    of_b[b[i]] += 1;
  }
  const double n = static_cast<double>(a.size());
  double sum = 0.0;
  for (const auto& [pair, count] : joint)
    sum += count / n * std::log(n * count / (of_a[pair.first] * of_b[pair.second]));
  return sum;
}

std::vector<std::size_t> sizes_of(const Names& names) {
  std::map<std::uint32_t, std::size_t> counts;
  for (const std::uint32_t name : names) ++counts[name];
  std::vector<std::size_t> sizes;
  for (const auto& [name, count] : counts) sizes.push_back(count);
  return sizes;
}

Names random_names(std::size_t rows, std::size_t names, std::uint64_t seed) {
  base::Random random(seed);
  Names result(rows);
  for (auto& name : result)
    name = static_cast<std::uint32_t>(random.uniform() * random.uniform() * static_cast<double>(names));
  return result;
}

TEST(LabelAgreement, HandWorkedTable) {
  // Groups 0 0 0 1 1 1, labels a a b b b b: n_gy = (2, 1; 0, 3), sizes 3, 3 and 2, 4.
  // I = 2/6 ln(6*2/(3*2)) + 1/6 ln(6*1/(3*4)) + 3/6 ln(6*3/(3*4)) = 1/3 ln 2 - 1/6 ln 2 + 1/2 ln 1.5.
  const LabelAgreement agreement = label_agreement(Names{0, 0, 0, 1, 1, 1}, Names{7, 7, 9, 9, 9, 9});
  const double information = std::log(2.0) / 6 + std::log(1.5) / 2;
  const double groups = std::log(2.0);
  const double labels = -(1.0 / 3 * std::log(1.0 / 3) + 2.0 / 3 * std::log(2.0 / 3));
  EXPECT_NEAR(agreement.nmi, information / ((groups + labels) / 2), 1e-14);
  EXPECT_NEAR(agreement.purity, (2 + 3) / 6.0, 1e-15);
  // E: the two rows of label a fall both into one group with probability 2 * 3/15 = 2/5 (the case above, by symmetry),
  // one into each group with 3/5, and then I = 0.
  const double expected = 0.4 * information;
  EXPECT_NEAR(agreement.ami, (information - expected) / ((groups + labels) / 2 - expected), 1e-14);
}

TEST(LabelAgreement, EdgeCases) {
  const auto expect = [](const Names& groups, const Names& labels, double nmi, double ami, double purity) {
    const LabelAgreement found = label_agreement(groups, labels);
    EXPECT_DOUBLE_EQ(found.nmi, nmi);
    EXPECT_DOUBLE_EQ(found.ami, ami);
    EXPECT_DOUBLE_EQ(found.purity, purity);
  };
  expect({}, {}, 0, 0, 0);
  expect({5}, {8}, 1, 1, 1);                    // one group, one label
  expect({5, 5, 5}, {8, 8, 8}, 1, 1, 1);        // the same
  expect({5, 5, 5}, {8, 8, 1}, 0, 0, 2.0 / 3);  // one group knows nothing
  expect({1, 2, 3}, {8, 8, 8}, 0, 0, 1);        // one label: nothing to know
  expect({1, 2, 3, 4}, {4, 3, 2, 1}, 1, 1, 1);  // all alone on both sides
  expect({3, 3, 1, 1}, {0, 0, 9, 9}, 1, 1, 1);  // the same partition under other names
  EXPECT_THROW(label_agreement(Names{1, 2}, Names{1}), InvalidArgument);
}

TEST(LabelAgreement, SingletonGroupsKnowNoMoreThanChance) {
  // Every partition with these sizes has the same information H(y), so E = H(y): nmi is high, ami is 0.
  const LabelAgreement agreement = label_agreement(Names{0, 1, 2, 3, 4, 5}, Names{0, 0, 0, 1, 1, 1});
  EXPECT_NEAR(agreement.nmi, 2 * std::log(2.0) / (std::log(6.0) + std::log(2.0)), 1e-14);
  EXPECT_NEAR(agreement.ami, 0.0, 1e-14);
}

TEST(LabelAgreement, ExpectedInformationIsTheMeanOverAllPermutations) {
  const Names groups{0, 0, 0, 1, 1, 2, 2, 3};
  Names labels{0, 0, 0, 0, 1, 1, 2, 3};
  double sum = 0.0;
  std::size_t count = 0;
  do {  // every distinct arrangement of the labels, all equally likely: 8! / 4! / 2! = 840
    sum += naive_information(groups, labels);
    ++count;
  } while (std::next_permutation(labels.begin(), labels.end()));
  ASSERT_EQ(count, 840u);
  EXPECT_NEAR(expected_mutual_information(sizes_of(groups), sizes_of(labels)), sum / 840.0, 1e-13);
}

TEST(LabelAgreement, ExpectedInformationIsSymmetric) {
  const std::vector<std::size_t> a = sizes_of(random_names(3000, 40, 1)), b = sizes_of(random_names(3000, 900, 2));
  EXPECT_NEAR(expected_mutual_information(a, b), expected_mutual_information(b, a), 1e-12);
}

TEST(LabelAgreement, RandomGroupsScoreAboutZeroWhenAdjusted) {
  const LabelAgreement agreement = label_agreement(random_names(4000, 2000, 3), random_names(4000, 20, 4));
  EXPECT_GT(agreement.nmi, 0.2);
  EXPECT_NEAR(agreement.ami, 0.0, 0.02);
}

TEST(LabelAgreement, SameBytesForAnyNumberOfThreads) {
  const Names groups = random_names(5000, 700, 5), labels = random_names(5000, 90, 6);
  base::set_num_threads(1);
  const LabelAgreement one = label_agreement(groups, labels);
  base::set_num_threads(3);
  const LabelAgreement three = label_agreement(groups, labels);
  base::set_num_threads(0);
  EXPECT_EQ(one.ami, three.ami);
  EXPECT_EQ(one.nmi, three.nmi);
}

/// A folder of this process's own, removed at the end.
class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / fmt::format("neume-agreement-{}", getpid())) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

struct Labelling {
  Names groups;
  Names labels;
};

/// Half of the labels follow the groups.
Labelling random_labelling(std::size_t rows, std::size_t groups, std::size_t labels, std::uint64_t seed) {
  Labelling result{random_names(rows, groups, seed), random_names(rows, labels, seed + 1000)};
  for (std::size_t i = 0; i < rows; i += 2) result.labels[i] = result.groups[i] % static_cast<std::uint32_t>(labels);
  return result;
}

constexpr int kNoOracle = 77;

/// Two numbers a labelling: its lines of `names` are the case, the group, the label.
constexpr const char* kOracleScript = R"(
import collections, sys
try:
    from sklearn.metrics import adjusted_mutual_info_score as ami, normalized_mutual_info_score as nmi
except ImportError:
    sys.exit(77)
cases = collections.defaultdict(list)
for line in open(sys.argv[1]):
    case, group, label = map(int, line.split())
    cases[case].append((group, label))
for case in sorted(cases):
    groups, labels = zip(*cases[case])
    print(repr(float(nmi(labels, groups))), repr(float(ami(labels, groups))))
)";

/// Runs the oracle on all cases at once, as Python takes seconds to start. Returns its exit status.
int ask_scikit_learn(const std::vector<Labelling>& cases, std::vector<LabelAgreement>& answers) {
  const Folder folder;
  std::string names;
  for (std::size_t c = 0; c < cases.size(); ++c) {
    for (std::size_t i = 0; i < cases[c].groups.size(); ++i)
      names += fmt::format("{} {} {}\n", c, cases[c].groups[i], cases[c].labels[i]);
  }
  base::write_file(folder / "names", names);
  base::write_file(folder / "judge.py", kOracleScript);
  const std::string command = fmt::format("/usr/bin/python3 '{}' '{}' > '{}'", (folder / "judge.py").string(),
                                          (folder / "names").string(), (folder / "scores").string());
  const int status = std::system(command.c_str());
  std::istringstream scores(base::read_file(folder / "scores"));
  LabelAgreement answer;
  while (scores >> answer.nmi >> answer.ami) answers.push_back(answer);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(LabelAgreement, EqualsScikitLearn) {
  const std::vector<Labelling> cases{random_labelling(50, 5, 4, 11),       random_labelling(1000, 30, 8, 12),
                                     random_labelling(2000, 1500, 12, 13), random_labelling(3000, 3, 2, 14),
                                     Labelling{{1, 1, 1}, {2, 2, 2}},      Labelling{{1, 1, 1}, {2, 2, 3}},
                                     Labelling{{1, 2, 3}, {2, 2, 3}}};
  std::vector<LabelAgreement> answers;
  const int status = ask_scikit_learn(cases, answers);
  if (status == kNoOracle || status == 127)
    GTEST_SKIP() << "scikit-learn is the oracle, and /usr/bin/python3 does not have it (package python3-sklearn)";
  ASSERT_EQ(status, 0);
  ASSERT_EQ(answers.size(), cases.size());
  for (std::size_t c = 0; c < cases.size(); ++c) {
    const LabelAgreement found = label_agreement(cases[c].groups, cases[c].labels);
    // Its expected information adds lgamma values near n ln n, which costs digits.
    EXPECT_NEAR(found.nmi, answers[c].nmi, 1e-12) << "case " << c;
    EXPECT_NEAR(found.ami, answers[c].ami, 1e-9) << "case " << c;
  }
}

}  // namespace
}  // namespace neume::eval
