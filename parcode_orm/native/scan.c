/* Scans: numbers and texts of columns that are compared, and rows by the part that they are in. */

#include "arrays.h"

#include <math.h>

#define ROWS_AT_ONCE 4096

/* Append (part, list of rows) to `found`. -1 with an error. */
static int
append_part(PyObject *found, Py_ssize_t part, const char *rows, Py_ssize_t count, int64_t shift)
{
    PyObject *list = PyList_New(count), *number = PyLong_FromSsize_t(part), *pair = NULL;
    int failed = list == NULL || number == NULL;
    for (Py_ssize_t i = 0; i < count && !failed; i++) {
        PyObject *row = PyLong_FromLongLong((int64_t)((uint64_t)int_at(rows, 8, 1, i) - (uint64_t)shift));
        failed = row == NULL;
        PyList_SET_ITEM(list, i, row);
    }
    if (!failed)
        pair = PyTuple_Pack(2, number, list);
    failed = pair == NULL || PyList_Append(found, pair) < 0;
    Py_XDECREF(pair);
    Py_XDECREF(number);
    Py_XDECREF(list);
    return failed ? -1 : 0;
}

/* The pairs of rows_by_part; NULL without an error if the rows do not ascend, or lie beyond the parts. */
static PyObject *
pairs_of(const Numbers *rows, const Numbers *ends, const Numbers *shifts)
{
    PyObject *found = PyList_New(0);
    Py_ssize_t part = 0;
    int64_t before = 0;
    for (Py_ssize_t first = 0, at; found != NULL && first < rows->count; first = at) {
        int64_t row = int_at(rows->at, 8, 1, first), end = 0;
        for (; part < ends->count && (end = int_at(ends->at, 8, 1, part)) <= row; part++)
            ;
        for (at = first; part < ends->count && at < rows->count; at++, before = row) {
            row = int_at(rows->at, 8, 1, at);
            if (row < before || row >= end)
                break;
        }
        if (at == first || append_part(found, part, rows->at + first * 8, at - first, int_at(shifts->at, 8, 1, part)) < 0)
            Py_CLEAR(found);
    }
    return found;
}

/* rows_by_part(rows, ends, shifts): see parcode_orm.query.columns.blocks. */
static PyObject *
rows_by_part(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "rows_by_part takes three arrays");
        return NULL;
    }
    Numbers arrays[3];
    int opened = 0, fits = 1;
    for (; opened < 3 && open_numbers(args[opened], arrays + opened, 0) == 0; opened++)
        fits &= arrays[opened].width == 8 && arrays[opened].kind == 'i';
    PyObject *found = NULL;
    if (opened == 3 && fits && arrays[1].count == arrays[2].count)
        found = pairs_of(arrays, arrays + 1, arrays + 2);
    else if (opened == 3)
        PyErr_SetString(PyExc_ValueError, "rows_by_part takes arrays of int64, the last two of one length");
    while (opened)
        PyBuffer_Release(&arrays[--opened].view);
    if (found == NULL && !PyErr_Occurred())
        Py_RETURN_NONE;
    return found;
}

/* Whether each value is from `low` to `high`, or is not if `inverted`. */
#define FLAG(NAME, TYPE) \
    WIDEST static void NAME( \
        const char *restrict values, Py_ssize_t count, TYPE low, TYPE high, int inverted, uint8_t *restrict flags \
    ) \
    { \
        for (Py_ssize_t i = 0; i < count; i++) { \
            TYPE value; \
            memcpy(&value, values + i * (Py_ssize_t)sizeof value, sizeof value); \
            flags[i] = (uint8_t)(((value >= low) & (value <= high)) ^ inverted); \
        } \
    }
FLAG(flag_u1, uint8_t)
FLAG(flag_u2, uint16_t)
FLAG(flag_u4, uint32_t)
FLAG(flag_i1, int8_t)
FLAG(flag_i2, int16_t)
FLAG(flag_i4, int32_t)
FLAG(flag_i8, int64_t)
FLAG(flag_f8, double)
#undef FLAG

/* The values that a comparison is true of: from `low` to `high` (ints or floats), or all others if `inverted`. */
typedef struct {
    int64_t low, high;
    double float_low, float_high;
    int inverted, none;
} Range;

static int
read_operator(PyObject *operator, char *first, int *equal)
{
    const char *text = PyUnicode_Check(operator) ? PyUnicode_AsUTF8(operator) : NULL;
    if (text == NULL && PyErr_Occurred())
        return -1;
    static const char *const known[] = {"==", "!=", "<", "<=", ">", ">="};
    for (size_t i = 0; text != NULL && i < sizeof known / sizeof *known; i++)
        if (strcmp(text, known[i]) == 0) {
            *first = *text;
            *equal = text[1] == '=';
            return 0;
        }
    PyErr_SetString(PyExc_ValueError, "rows_where takes an operator of a comparison");
    return -1;
}

/* Read a comparison with an int for values of `width` bytes. -1 with an error. */
static int
read_ints(PyObject *number, char first, int equal, const Numbers *values, Range *range)
{
    long long given = PyLong_AsLongLong(number);
    if (given == -1 && PyErr_Occurred())
        return -1;
    int bits = 8 * values->width, is_signed = values->kind == 'i' || bits == 64;
    int64_t smallest = is_signed ? (int64_t)(~0ULL << (bits - 1)) : 0;
    int64_t largest = is_signed ? (int64_t)((1ULL << (bits - 1)) - 1) : (int64_t)((1ULL << bits) - 1);
    range->none = !equal && given == (first == '<' ? INT64_MIN : INT64_MAX);
    if (range->none)
        return 0;
    range->low = first == '<' ? smallest : first == '>' && !equal ? given + 1 : given;
    range->high = first == '>' ? largest : first == '<' && !equal ? given - 1 : given;
    range->low = range->low < smallest ? smallest : range->low;
    range->high = range->high > largest ? largest : range->high;
    range->none = range->low > range->high;
    return 0;
}

static int
read_floats(PyObject *number, char first, int equal, Range *range)
{
    double given = PyFloat_AsDouble(number);
    if (given == -1 && PyErr_Occurred())
        return -1;
    range->none = isnan(given) || (!equal && given == (first == '<' ? -INFINITY : INFINITY));
    range->float_low = first == '<' ? -INFINITY : first == '>' && !equal ? nextafter(given, INFINITY) : given;
    range->float_high = first == '>' ? INFINITY : first == '<' && !equal ? nextafter(given, -INFINITY) : given;
    return 0;
}

static void
flag_values(const Numbers *values, Py_ssize_t first, Py_ssize_t count, const Range *range, uint8_t *flags)
{
    const char *at = values->at + first * values->width;
    int is_signed = values->kind == 'i', inverted = range->inverted;
#define FLAGS(NAME, TYPE) NAME(at, count, (TYPE)range->low, (TYPE)range->high, inverted, flags)
    if (range->none)
        memset(flags, inverted, (size_t)count);
    else if (values->kind == 'f')
        flag_f8(at, count, range->float_low, range->float_high, inverted, flags);
    else if (values->width == 1)
        is_signed ? FLAGS(flag_i1, int8_t) : FLAGS(flag_u1, uint8_t);
    else if (values->width == 2)
        is_signed ? FLAGS(flag_i2, int16_t) : FLAGS(flag_u2, uint16_t);
    else if (values->width == 4)
        is_signed ? FLAGS(flag_i4, int32_t) : FLAGS(flag_u4, uint32_t);
    else
        FLAGS(flag_i8, int64_t);
#undef FLAGS
}

/* Put the numbers of the rows that `flags` mark, from `first` on, into `out`, which has room for all. How many. */
static Py_ssize_t
put_rows(const uint8_t *flags, Py_ssize_t count, int64_t first, int64_t *out)
{
    Py_ssize_t found = 0, i = 0;
    for (; i + 8 <= count; i += 8) {
        uint64_t eight;
        memcpy(&eight, flags + i, 8);
        if (!eight)
            continue;
        for (int k = 0; k < 8; k++) {
            out[found] = first + i + k;
            found += flags[i + k];
        }
    }
    for (; i < count; i++) {
        out[found] = first + i;
        found += flags[i];
    }
    return found;
}

/* All rows of a range, in memory of its own. How many; -1 where there is no memory. */
static Py_ssize_t
find_rows(const Numbers *values, const Range *range, int64_t **out)
{
    uint8_t flags[ROWS_AT_ONCE];
    Py_ssize_t found = 0, room = 0;
    for (Py_ssize_t first = 0; first < values->count; first += ROWS_AT_ONCE) {
        Py_ssize_t count = values->count - first < ROWS_AT_ONCE ? values->count - first : ROWS_AT_ONCE;
        flag_values(values, first, count, range, flags);
        if (memchr(flags, 1, (size_t)count) == NULL)
            continue;
        if (room < found + count) { /* `room` is at most twice what the rows of the array take */
            room = 2 * found + ROWS_AT_ONCE;
            int64_t *more = PyMem_RawRealloc(*out, (size_t)room * 8);
            if (more == NULL)
                return -1;
            *out = more;
        }
        found += put_rows(flags, count, first, *out + found);
    }
    return found;
}

/* rows_where(values, operator, number): see parcode_orm.query.rows.filtering. */
static PyObject *
rows_where(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    char first;
    int equal;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "rows_where takes an array, an operator and a number");
        return NULL;
    }
    if (read_operator(args[1], &first, &equal) < 0)
        return NULL;
    Numbers values;
    if (open_numbers(args[0], &values, 0) < 0)
        return NULL;
    Range range = {.inverted = first == '!'};
    int64_t *rows = NULL;
    PyObject *result = NULL;
    int floats = values.kind == 'f', failed = floats && values.width != 8;
    if (failed)
        PyErr_SetString(PyExc_ValueError, "rows_where takes ints or float64");
    else
        failed = floats ? read_floats(args[2], first, equal, &range) : read_ints(args[2], first, equal, &values, &range);
    if (!failed) {
        Py_ssize_t found;
        Py_BEGIN_ALLOW_THREADS
        found = find_rows(&values, &range, &rows);
        Py_END_ALLOW_THREADS
        result = found < 0 ? PyErr_NoMemory() : PyBytes_FromStringAndSize((const char *)rows, found * 8);
        PyMem_RawFree(rows);
    }
    PyBuffer_Release(&values.view);
    return result;
}

/* Mark the texts that are `wanted`, or begin so. False if one of that length lies beyond the data; inlined for widths. */
static inline int
mark(
    const Py_buffer *data, const char *begins, const char *ends, int width, Py_ssize_t rows, const char *wanted,
    uint64_t length, int whole, uint8_t *found
)
{
    uint64_t size = (uint64_t)data->len, last = 0, here = 0;
    int tail = length < 8 ? (int)length : 8; /* bytes at the end of `wanted`, which are compared first */
    memcpy(&last, wanted + length - tail, (size_t)tail);
    for (Py_ssize_t row = 0; row < rows; row++) {
        uint64_t begin = code_at(begins, width, row), there = code_at(ends, width, row) - begin;
        if (whole ? there != length : there < length)
            continue;
        if (begin > size || size - begin < length)
            return 0;
        const char *at = (const char *)data->buf + begin;
        if (tail == 8)
            memcpy(&here, at + length - 8, 8);
        else
            memcpy(&here, at, (size_t)tail);
        if (here == last && memcmp(at, wanted, length - (uint64_t)tail) == 0)
            found[row] = 1;
    }
    return 1;
}

/* mark_texts(data, begins, ends, wanted, whole, found): see parcode_orm.query.columns.texts. */
static PyObject *
mark_texts(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 6 || !PyBytes_CheckExact(args[3])) {
        PyErr_SetString(PyExc_TypeError, "mark_texts takes data, begins, ends, bytes, a bool and an array of bools");
        return NULL;
    }
    int whole = PyObject_IsTrue(args[4]), opened = 0, inside = 1;
    Py_buffer data;
    if (whole < 0 || PyObject_GetBuffer(args[0], &data, PyBUF_SIMPLE) < 0)
        return NULL;
    static const int places[] = {1, 2, 5};
    Numbers arrays[3], *begins = arrays, *ends = arrays + 1, *found = arrays + 2;
    while (opened < 3 && open_numbers(args[places[opened]], arrays + opened, opened == 2) == 0)
        opened++;
    int fits = opened == 3 && begins->kind != 'f' && ends->kind != 'f' && begins->width == ends->width
        && found->width == 1 && begins->count == ends->count && begins->count == found->count;
    if (fits) {
        const char *wanted = PyBytes_AS_STRING(args[3]);
        uint64_t length = (uint64_t)PyBytes_GET_SIZE(args[3]);
        uint8_t *to = found->view.buf;
        Py_BEGIN_ALLOW_THREADS
#define MARK(WIDTH) mark(&data, begins->at, ends->at, WIDTH, begins->count, wanted, length, whole, to)
        inside = begins->width == 8 ? MARK(8) : begins->width == 4 ? MARK(4) : begins->width == 2 ? MARK(2) : MARK(1);
#undef MARK
        Py_END_ALLOW_THREADS
    }
    else if (opened == 3)
        PyErr_SetString(PyExc_ValueError, "mark_texts takes begins, ends and bools of one length");
    if (!inside)
        PyErr_SetString(PyExc_IndexError, "a text lies beyond the data");
    while (opened)
        PyBuffer_Release(&arrays[--opened].view);
    PyBuffer_Release(&data);
    return fits && inside ? Py_NewRef(Py_None) : NULL;
}

PyMethodDef scan_methods[] = {
    {"mark_texts", (PyCFunction)(void (*)(void))mark_texts, METH_FASTCALL, NULL},
    {"rows_where", (PyCFunction)(void (*)(void))rows_where, METH_FASTCALL, NULL},
    {"rows_by_part", (PyCFunction)(void (*)(void))rows_by_part, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
