// Shows a network's features, as many of their pictures as the page has room for.
#include "inspect/report_parts.h"
#include "ipirm/core/error.h"
#include "ipirm/core/text.h"

namespace ipirm::inspect {
namespace {

using core::cat;
using core::with_digits;

// The figure, or where its picture is.
std::string fitting(const PageImage& picture, const std::string& words, Scale scale, Room& room) {
  if (!picture.bytes.empty()) {
    auto content = figure(picture, words, scale);
    if (room.take(content.size())) return content;
  }
  return paragraph(words + ": there is no room left for the picture, which lies beside this page.",
                   "note");
}

std::string accuracy_by_value(const ReportConfusion& c) {
  std::vector<std::vector<Cell>> rows;
  for (size_t v = 0; v < c.confusion.accuracy.size(); ++v) {
    if (c.confusion.accuracy[v] < 0) continue;
    const auto part = with_digits(c.confusion.accuracy[v], 1);
    rows.push_back({{value_name(c.factor, static_cast<int64_t>(v))},
                    {part + " %", cat("class=\"part\" style=\"--part:", part, "%\"")}});
  }
  return folded(c.classifier + "'s accuracy by " + c.factor.name,
                table({c.factor.name, "accuracy"}, rows));
}

}  // namespace

std::string features_section(const Report& report, Room& room) {
  std::string text = section("Features");
  if (!report.network.empty()) text += paragraph("Of " + report.network + ".", "note");
  if (!report.no_features.empty())
    text += paragraph("Not all is shown: " + report.no_features + ".");
  if (report.neighbours) {
    text += fitting(*report.neighbours,
                    "Test images and their nearest neighbours among the labelled images by h, "
                    "nearest first; green: of the same class",
                    Scale::kSheet, room);
  }
  for (const auto& map : report.maps) {
    text += fitting(map.picture,
                    cat("The h of ", report.mapped, " on their two main axes (",
                        with_digits(100 * report.map_share, 0), " % of the variance)",
                        map.factor.empty() ? "" : ", coloured by " + map.factor),
                    Scale::kToFit, room);
  }
  for (const auto& c : report.confusions) {
    text += fitting(c.picture,
                    cat(c.classifier, " on ", c.factor.name, ": ",
                        with_digits(c.confusion.overall, 1), " % of the images are right, ",
                        with_digits(c.confusion.mean, 1), " % as the mean over values; ", c.basis),
                    Scale::kToFit, room);
    if (auto rows = accuracy_by_value(c); room.take(rows.size())) text += rows;
  }
  for (const auto& hint : report.hints) text += paragraph(hint, "note");
  return text;
}

}  // namespace ipirm::inspect
