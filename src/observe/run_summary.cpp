// Reads a run's events, keeps last and best, and sets them in columns.
#include "ipirm/observe/run_summary.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "ipirm/core/error.h"
#include "ipirm/core/text.h"

namespace ipirm::observe {
namespace {

using nlohmann::json;

// A figure over the epochs.
struct Figure {
  std::string name;
  bool less_is_better = false;
  double last = 0, best = 0;
  int64_t last_epoch = 0, best_epoch = 0;

  void add(double value, int64_t epoch) {
    if (best_epoch == 0 || (less_is_better ? value < best : value > best)) {
      best = value;
      best_epoch = epoch;
    }
    last = value;
    last_epoch = epoch;
  }
};

class Summary {
 public:
  void add(const json& event) {
    const auto kind = event.value("event", "");
    const auto epoch = event.value("epoch", int64_t{0});
    if (kind == "epoch") {
      add("loss", event, "loss", epoch);
    } else if (kind == "maximize") {
      ++partitions_;
      newest_ = event;
    } else if (event.contains("factor")) {
      const auto factor = kind + " " + event.value("factor", "");
      for (const auto& [key, value] : event.items())
        if (key != "epoch" && value.is_number()) add(factor + "  " + key, event, key, epoch);
    }
  }

  std::string text() const {
    std::vector<std::vector<std::string>> rows;
    for (const auto& figure : figures_) {
      rows.push_back({figure.name, core::with_digits(figure.last, 4),
                      core::cat("(epoch ", figure.last_epoch, ")"),
                      core::with_digits(figure.best, 4),
                      core::cat("(epoch ", figure.best_epoch, ")")});
    }
    if (!rows.empty()) rows.insert(rows.begin(), {"", "last", "", "best", ""});
    return columns(rows) + partitions_text();
  }

 private:
  void add(const std::string& name, const json& event, const std::string& key, int64_t epoch) {
    const auto found = std::ranges::find(figures_, name, &Figure::name);
    if (!event.contains(key) || !event[key].is_number()) return;
    auto& figure = found != figures_.end() ? *found : figures_.emplace_back(Figure{name});
    figure.less_is_better = name.find("loss") != std::string::npos;
    figure.add(event[key].get<double>(), epoch);
  }

  std::string partitions_text() const {
    if (partitions_ == 0) return "";
    std::string text = core::cat("partitions  ", partitions_, ", the newest after epoch ",
                                 newest_.value("epoch", int64_t{0}), ":");
    const char* separator = " ";
    for (const auto& size : newest_.value("sizes", json::array())) {
      text += separator + size.dump();
      separator = " + ";
    }
    const auto factors = newest_.value("factors", json::object());
    for (const auto& [name, share] : factors.items())
      text += ", " + core::with_digits(share.value("information", 0.), 4) + " nats of " + name;
    return text + "\n";
  }

  // The first column left-aligned, the others right-aligned.
  static std::string columns(const std::vector<std::vector<std::string>>& rows) {
    std::vector<size_t> widths(5);
    for (const auto& row : rows)
      for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
    std::string text;
    for (const auto& row : rows) {
      std::string line = row[0] + std::string(widths[0] - row[0].size(), ' ');
      for (size_t c = 1; c < row.size(); ++c)
        line += "  " + std::string(widths[c] - row[c].size(), ' ') + row[c];
      text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return text;
  }

  std::vector<Figure> figures_;
  int64_t partitions_ = 0;
  json newest_;
};

}  // namespace

std::string run_summary(const std::filesystem::path& metrics) {
  std::ifstream file(metrics);
  if (!file) throw core::UserError(core::cat(metrics.string(), ": cannot be read; check the path"));
  Summary summary;
  for (std::string line; std::getline(file, line);) {
    // Most lines are steps, of which nothing is shown.
    if (line.starts_with(R"({"event":"step")") || line.starts_with(R"({"event":"maximize_pass")"))
      continue;
    const auto event = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (event.is_object()) summary.add(event);
  }
  return summary.text();
}

}  // namespace ipirm::observe
