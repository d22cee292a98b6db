// Tables as records: .csv (RFC 4180) and .tsv files with a header. Internal.

#ifndef LIBMINILLM_DATA_TABLE_READER_H_
#define LIBMINILLM_DATA_TABLE_READER_H_

#include <string>

#include "libminillm/data/json_records.h"

namespace minillm {

// Calls `visit` with every row after the header: an object of the header's names and the cells, all
// text; an empty cell is absent. A cell in double quotes may hold delimiters, line ends and doubled
// quotes. Blank lines are left out. A row of more or fewer cells than the header, or with a quote
// that is not closed, is a bad record. Throws Error if the header names a column twice.
void for_each_table_row(const std::string& path, char delimiter, const RecordVisitor& visit);

}  // namespace minillm

#endif  // LIBMINILLM_DATA_TABLE_READER_H_
