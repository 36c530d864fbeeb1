// neume ab: variants side by side.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include <neume/error.hpp>

#include "ab_logs.hpp"
#include "ab_settings.hpp"
#include "json_file.hpp"
#include "settings.hpp"
#include "text_table.hpp"

namespace neume::app {

namespace {

using eval::Lift;

struct Share {
  std::string name;
  double share = 0.0;
};

/// "NAME:SHARE" of --shares.
Share parse_share(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  const std::string number = colon == std::string::npos ? "" : text.substr(colon + 1);
  Share share{text.substr(0, colon), 0.0};
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), share.share);
  const bool is_number = error == std::errc() && end == number.data() + number.size();
  if (!is_number || share.name.empty() || !std::isfinite(share.share) || share.share <= 0.0) {
    throw InvalidArgument(fmt::format("--shares: expected NAME:SHARE with a positive share, found {}", text));
  }
  return share;
}

std::vector<Share> parse_shares(const std::vector<std::string>& texts) {
  std::vector<Share> shares;
  for (const std::string& text : texts) {
    shares.push_back(parse_share(text));
    if (std::ranges::count(shares, shares.back().name, &Share::name) > 1) {
      throw InvalidArgument(fmt::format("--shares: variant {} stands there twice", shares.back().name));
    }
  }
  return shares;
}

std::string names_of(const std::vector<AbVariant>& variants) {
  std::vector<std::string> names(variants.size());
  std::ranges::transform(variants, names.begin(), &AbVariant::name);
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

/// Whether users fell as planned.
struct SampleRatio {
  std::vector<double> expected;  ///< users of each of `shares`
  std::vector<double> found;
  double p = 1.0;

  bool mismatch() const { return p < eval::kSampleRatioAlarm; }
};

SampleRatio check_sample_ratio(const std::vector<Share>& shares, const std::vector<AbVariant>& variants) {
  for (const AbVariant& variant : variants) {
    if (std::ranges::find(shares, variant.name, &Share::name) == shares.end()) {
      throw InvalidArgument(fmt::format("--shares: no share of variant {}, which the exposures have", variant.name));
    }
  }
  SampleRatio ratio;
  double users = 0.0, total = 0.0;
  std::vector<double> planned;
  for (const Share& share : shares) {
    const auto variant = std::ranges::find(variants, share.name, &AbVariant::name);
    ratio.found.push_back(variant == variants.end() ? 0.0 : variant->sums.users);
    planned.push_back(share.share);
    users += ratio.found.back();
    total += share.share;
  }
  for (const double share : planned) ratio.expected.push_back(users * share / total);
  ratio.p = eval::sample_ratio_p(ratio.found, planned);
  return ratio;
}

const AbVariant& find_control(const std::string& asked, const std::vector<Share>& shares,
                              const std::vector<AbVariant>& variants) {
  if (variants.empty()) throw DataError("no user saw one variant alone: there is nothing to compare");
  std::string name = asked;
  if (name.empty()) name = shares.empty() ? variants.front().name : shares.front().name;
  const auto found = std::ranges::find(variants, name, &AbVariant::name);
  if (found == variants.end()) {
    throw InvalidArgument(
        fmt::format("--control: expected one of the variants {}, found {}", names_of(variants), name));
  }
  return *found;
}

/// What is said of the experiment: figures first, then how they were come by.
struct Judgement {
  AbTotals totals;
  std::vector<Share> shares;
  std::optional<SampleRatio> sample_ratio;
  const AbVariant* control = nullptr;
};

double per_user(const AbVariant& variant) {
  return variant.sums.y / variant.sums.users;
}
double per_exposure(const AbVariant& variant) {
  return variant.sums.y / variant.sums.x;
}

std::string rates_table(const std::vector<AbVariant>& variants) {
  TextTable table({"variant", "users", "exposures", "items shown", "positives", "per user", "per exposure"});
  for (const AbVariant& variant : variants) {
    table.add({variant.name, fmt::format("{:.0f}", variant.sums.users), fmt::format("{:.0f}", variant.sums.x),
               fmt::to_string(variant.items_shown), fmt::format("{:.0f}", variant.sums.y),
               fmt::format("{:.5f}", per_user(variant)), fmt::format("{:.5f}", per_exposure(variant))});
  }
  return table.plain();
}

std::string percent(double value) {
  return fmt::format("{:+.2f}%", 100.0 * value);
}

std::string lifts_table(const Judgement& judgement) {
  TextTable table({"lift over " + judgement.control->name, "of positives", "lift", "95% from", "to", "p"}, 2);
  for (const AbVariant& variant : judgement.totals.variants) {
    if (&variant == judgement.control) continue;
    const auto add = [&](const char* of, const std::optional<Lift>& lift) {
      if (lift) {
        table.add({variant.name, of, percent(lift->value), percent(lift->low), percent(lift->high),
                   fmt::format("{:.4g}", lift->p)});
      } else {
        table.add({variant.name, of, "-", "-", "-", "-"});
      }
    };
    add("per user", eval::lift_of_means(variant.sums, judgement.control->sums));
    add("per exposure", eval::lift_of_ratios(variant.sums, judgement.control->sums));
  }
  return table.plain();
}

std::string sample_ratio_text(const Judgement& judgement) {
  if (!judgement.sample_ratio) return "Sample ratio: not checked; --shares tells how users were to fall.\n";
  const SampleRatio& ratio = *judgement.sample_ratio;
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < ratio.found.size(); ++i) {
    parts.push_back(fmt::format("{} {:.0f} of {:.1f}", judgement.shares[i].name, ratio.found[i], ratio.expected[i]));
  }
  return fmt::format("Sample ratio: users found of those expected: {}; p = {:.4g}{}\n", fmt::join(parts, ", "), ratio.p,
                     ratio.mismatch() ? ". MISMATCH: something other than chance decided who is counted here; find it "
                                        "before you believe any figure above"
                                      : ", as chance would have it");
}

std::string judgement_text(const Judgement& judgement, double within_seconds) {
  const AbTotals& totals = judgement.totals;
  std::string text = fmt::format("Experiment {}: positives within {:.0f} s of an exposure of their item\n\n{}\n",
                                 totals.experiment, within_seconds, rates_table(totals.variants));
  if (totals.variants.size() > 1) text += fmt::format("\n{}\n", lifts_table(judgement));
  text += fmt::format("\n{}", sample_ratio_text(judgement));
  if (totals.users_in_several > 0) {
    text += fmt::format("Left out: {} users who saw more than one variant, with {} exposures.\n",
                        totals.users_in_several, totals.exposures_in_several);
  }
  if (totals.exposures_without_user > 0) {
    text +=
        fmt::format("Left out: {} exposures of nobody in particular (no user_id).\n", totals.exposures_without_user);
  }
  text.pop_back();
  return text;
}

Json lift_json(const std::optional<Lift>& lift) {
  if (!lift) return nullptr;
  return {{"value", lift->value}, {"low", lift->low}, {"high", lift->high}, {"p", lift->p}};
}

Json judgement_json(const Judgement& judgement, double within_seconds) {
  const AbTotals& totals = judgement.totals;
  Json variants = Json::array();
  for (const AbVariant& variant : totals.variants) {
    Json entry{{"name", variant.name},
               {"users", std::llround(variant.sums.users)},
               {"exposures", std::llround(variant.sums.x)},
               {"items_shown", variant.items_shown},
               {"positives", std::llround(variant.sums.y)},
               {"positives_per_user", per_user(variant)},
               {"positives_per_exposure", per_exposure(variant)}};
    if (&variant != judgement.control) {
      entry["lift_per_user"] = lift_json(eval::lift_of_means(variant.sums, judgement.control->sums));
      entry["lift_per_exposure"] = lift_json(eval::lift_of_ratios(variant.sums, judgement.control->sums));
    }
    variants.push_back(entry);
  }
  Json ratio = nullptr;
  if (judgement.sample_ratio) {
    ratio = {{"p", judgement.sample_ratio->p}, {"mismatch", judgement.sample_ratio->mismatch()}};
    for (std::size_t i = 0; i < judgement.shares.size(); ++i) {
      ratio["expected_users"][judgement.shares[i].name] = judgement.sample_ratio->expected[i];
    }
  }
  return {{"format", "neume-ab"},
          {"version", 1},
          {"neume", NEUME_VERSION},
          {"experiment", totals.experiment},
          {"within_seconds", within_seconds},
          {"control", judgement.control->name},
          {"variants", variants},
          {"sample_ratio", ratio},
          {"users_in_several_variants", totals.users_in_several},
          {"exposures_of_these", totals.exposures_in_several},
          {"exposures_without_user", totals.exposures_without_user}};
}

}  // namespace

int run(const AbSettings& settings, Console& console) {
  require_flag(settings.exposures, "--exposures");
  require_flag(settings.events, "--events");
  if (!settings.out.empty()) check_writable(settings.out);
  Judgement judgement;
  judgement.shares = parse_shares(settings.shares);
  judgement.totals =
      read_ab_totals({settings.exposures, settings.events, settings.experiment, settings.event_time, settings.within});
  const std::vector<AbVariant>& variants = judgement.totals.variants;
  judgement.control = &find_control(settings.control, judgement.shares, variants);
  if (!judgement.shares.empty()) judgement.sample_ratio = check_sample_ratio(judgement.shares, variants);
  if (!settings.out.empty()) write_json(settings.out, judgement_json(judgement, settings.within));
  console.print(judgement_text(judgement, settings.within));
  return 0;
}

}  // namespace neume::app
