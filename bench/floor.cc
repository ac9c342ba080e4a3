// The least that judging events by Sigma rules could cost with the fastest libraries there are: each line parsed by simdjson, then searched
// once by Hyperscan for all texts of the rules. No fields are looked up, no rule is judged, nothing is written, so nothing that does the work
// can reach it. Prints CPU seconds of both, and how many lines held some text.
//
//   floor TEXTS EVENTS    TEXTS: one a line, plain; EVENTS: JSON, one a line
#include <hs/hs.h>
#include <simdjson.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

static double cpu_seconds()
{
    timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

static hs_database_t *compile(const char *path)
{
    std::vector<std::string> texts;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
        texts.push_back(line);
    std::vector<const char *> pointers;
    std::vector<size_t> lengths;
    std::vector<unsigned> flags, ids;
    for (const std::string &text : texts) {
        pointers.push_back(text.c_str());
        lengths.push_back(text.size());
        flags.push_back(HS_FLAG_CASELESS | HS_FLAG_SINGLEMATCH);
        ids.push_back(static_cast<unsigned>(ids.size()));
    }
    hs_database_t *database = nullptr;
    hs_compile_error_t *error = nullptr;
    if (hs_compile_lit_multi(pointers.data(), flags.data(), ids.data(), lengths.data(), static_cast<unsigned>(pointers.size()), HS_MODE_BLOCK,
                             nullptr, &database, &error) != HS_SUCCESS) {
        std::cerr << "hyperscan: " << error->message << "\n";
        std::exit(3);
    }
    return database;
}

static int found(unsigned, unsigned long long, unsigned long long, unsigned, void *context)
{
    ++*static_cast<size_t *>(context);
    return 0;
}

int main(int count, char **arguments)
{
    if (count != 3) {
        std::cerr << "usage: floor TEXTS EVENTS\n";
        return 2;
    }
    hs_database_t *database = compile(arguments[1]);
    hs_scratch_t *scratch = nullptr;
    if (hs_alloc_scratch(database, &scratch) != HS_SUCCESS)
        return 3;
    simdjson::padded_string text;
    if (simdjson::padded_string::load(arguments[2]).get(text) != simdjson::SUCCESS) {
        std::cerr << arguments[2] << " cannot be read\n";
        return 2;
    }
    std::vector<std::pair<const char *, size_t>> lines;
    for (size_t at = 0; at < text.size();) {
        const void *end = memchr(text.data() + at, '\n', text.size() - at);
        size_t length = end == nullptr ? text.size() - at : static_cast<size_t>(static_cast<const char *>(end) - text.data()) - at;
        lines.emplace_back(text.data() + at, length);
        at += length + 1;
    }
    simdjson::dom::parser parser;
    size_t values = 0, matches = 0, bad = 0;
    double start = cpu_seconds();
    for (const auto &line : lines) {
        simdjson::dom::element element;
        // the bytes behind a line are the next one's, or the padding
        if (parser.parse(line.first, line.second, false).get(element) != simdjson::SUCCESS)
            bad++;
        else
            values += element.is_object();
    }
    double parsed = cpu_seconds();
    for (const auto &line : lines)
        if (hs_scan(database, line.first, static_cast<unsigned>(line.second), 0, scratch, found, &matches) != HS_SUCCESS)
            return 3;
    double scanned = cpu_seconds();
    std::printf("{\"events\": %zu, \"bad\": %zu, \"matches\": %zu, \"parse_s\": %.6f, \"scan_s\": %.6f}\n", values, bad, matches, parsed - start,
                scanned - parsed);
    return 0;
}
