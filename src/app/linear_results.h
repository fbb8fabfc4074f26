// What a finished linear evaluation leaves beside its texts: its classifiers, what they say of each
// test image, and its last words.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "app/linear_state.h"
#include "ipirm/data/image_set.h"
#include "ipirm/eval/linear_probe.h"
#include "ipirm/eval/options.h"

namespace ipirm::app {

// Writes folder/linear_E.pt after epoch E = state.epoch, unless it stands there: "weight" and
// "bias" of the class's last best head, and those of each further factor behind its name and a
// point. Throws WriteError.
void write_classifiers(const std::filesystem::path& folder,
                       const std::vector<data::Factor>& factors, const eval::LinearProbe& probe,
                       const LinearState& state);

// Writes folder/predictions.csv: a heading and a line an image of `test`: its number, its path
// where it has one, and of each factor its value, the value that is found, and that one's
// probability. Throws WriteError.
void write_predictions(const std::filesystem::path& folder, const data::ImageSet& test,
                       const std::vector<eval::Predictions>& predictions);

bool holds_predictions(const std::filesystem::path& folder);
// Removes what the two have written into the folder.
void remove_results(const std::filesystem::path& folder);

// "test_acc@1 81.25 test_acc@5 99.00 class_acc@1 80.10 (epoch 3)", with what the held-out images
// say and the head's settings where there are several.
std::string summary(const eval::LinearOptions& options, const eval::LinearEpoch& epoch);

}  // namespace ipirm::app
