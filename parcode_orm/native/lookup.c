/* Lookup: from a hash to a row, and whether the row's key is the one sought. */

#include "core.h"

#include <structmember.h>

enum { NEAR = 64 }; /* entries of a shard: how far from its guessed place a hash is looked for first */

/* The first place from `first` on, before `end`, whose number is not below `low`; `end` where all are. */
static Py_ssize_t
bisect(const Typed *lows, uint64_t low, Py_ssize_t first, Py_ssize_t end)
{
    while (first < end) {
        Py_ssize_t middle = first + (end - first) / 2;
        if (unsigned_at(lows, middle) < low)
            first = middle + 1;
        else
            end = middle;
    }
    return first;
}

/* Where a hash stands in a shard, or would. Hashes are spread evenly, so the place is near the one that is guessed. */
static Py_ssize_t
place_of(const Typed *lows, uint64_t low)
{
    Py_ssize_t count = lows->count, guess = (uint64_t)count >> 32 ? 0 : (Py_ssize_t)(low * (uint64_t)count >> 32);
    Py_ssize_t first = guess > NEAR ? guess - NEAR : 0;
    Py_ssize_t at = bisect(lows, low, first, guess + NEAR < count ? guess + NEAR : count);
    if (at == first || at == count || unsigned_at(lows, at) != low)
        at = bisect(lows, low, 0, count);
    return at;
}

/* The row beside the hash number `before` of those that agree with `hashed`: 1; 0 if there is none, -1 with an error. */
static int
row_of(uint64_t hashed, int shift, PyObject *lows_of, PyObject *rows_of, Py_ssize_t before, uint64_t *row)
{
    Typed lows, rows;
    if (!open_typed(lows_of, &lows))
        return -1;
    if (!open_typed(rows_of, &rows)) {
        PyBuffer_Release(&lows.view);
        return -1;
    }
    uint64_t low = hashed >> shift & 0xFFFFFFFF;
    Py_ssize_t at = place_of(&lows, low);
    int found = before < lows.count - at && unsigned_at(&lows, at + before) == low && at + before < rows.count;
    if (found)
        *row = unsigned_at(&rows, at + before);
    PyBuffer_Release(&rows.view);
    PyBuffer_Release(&lows.view);
    return found;
}

/* find_row(hashed, low_shift, lows, rows, before): see parcode_orm.table.index. */
static PyObject *
find_row(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5)
        return PyErr_Format(PyExc_TypeError, "find_row takes 5 arguments");
    uint64_t hashed = PyLong_AsUnsignedLongLong(args[0]), row;
    long shift = PyErr_Occurred() ? 0 : PyLong_AsLong(args[1]);
    Py_ssize_t before = PyErr_Occurred() ? 0 : PyLong_AsSsize_t(args[4]);
    if (PyErr_Occurred())
        return NULL;
    if (shift < 0 || shift > 32 || before < 0)
        return PyErr_Format(PyExc_ValueError, "a hash is shifted by up to 32 bits");
    int found = row_of(hashed, (int)shift, args[2], args[3], before, &row);
    return found < 0 ? NULL : found ? PyLong_FromUnsignedLongLong(row) : PyLong_FromLong(-1);
}

/* Whether text `row` of a column is these bytes; -1 with an error. */
static int
same_text(const char *data, Py_ssize_t size, PyObject *texts_of, PyObject *offsets_of, Py_ssize_t gap, Py_ssize_t row)
{
    Typed texts, offsets;
    if (!open_typed(texts_of, &texts))
        return -1;
    if (!open_typed(offsets_of, &offsets)) {
        PyBuffer_Release(&texts.view);
        return -1;
    }
    int same = 0;
    if (row >= 0 && row < offsets.count - 1) {
        uint64_t start = unsigned_at(&offsets, row), stop = unsigned_at(&offsets, row + 1), skip = gap ? row : 0;
        uint64_t room = texts.view.len;
        same = start <= stop && stop - start == (uint64_t)size;
        if (same && size)
            same = skip <= room && stop <= room - skip && memcmp(texts.data + start + skip, data, size) == 0;
    }
    PyBuffer_Release(&offsets.view);
    PyBuffer_Release(&texts.view);
    return same;
}

/* is_text(data, texts, offsets, gap, row): see parcode_orm.table.index. */
static PyObject *
is_text(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5 || !PyBytes_Check(args[0]))
        return PyErr_Format(PyExc_TypeError, "is_text takes bytes and 4 other arguments");
    Py_ssize_t gap = PyLong_AsSsize_t(args[3]), row = PyErr_Occurred() ? 0 : PyLong_AsSsize_t(args[4]);
    if (PyErr_Occurred())
        return NULL;
    int same = same_text(PyBytes_AS_STRING(args[0]), PyBytes_GET_SIZE(args[0]), args[1], args[2], gap, row);
    return same < 0 ? NULL : PyBool_FromLong(same);
}

/* How text `row` of a column compares with these bytes: below 0 if it is less. As slices do, it ends with the bytes. */
static int
text_order(const Typed *texts, const Typed *offsets, Py_ssize_t gap, Py_ssize_t row, const char *data, Py_ssize_t size)
{
    uint64_t room = texts->view.len, skip = gap ? (uint64_t)row : 0, limit = room < skip ? 0 : room - skip;
    uint64_t start = unsigned_at(offsets, row), stop = unsigned_at(offsets, row + 1);
    stop = stop < limit ? stop : limit;
    Py_ssize_t length = start < stop ? (Py_ssize_t)(stop - start) : 0;
    int order = length && size ? memcmp(texts->data + start + skip, data, length < size ? length : size) : 0;
    return order ? order : length < size ? -1 : length > size;
}

/* text_place(data, texts, offsets, gap, start, stop): see parcode_orm.table.index. */
static PyObject *
text_place(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 6 || !PyBytes_Check(args[0]))
        return PyErr_Format(PyExc_TypeError, "text_place takes bytes and 5 other arguments");
    Py_ssize_t gap = PyLong_AsSsize_t(args[3]), start = PyErr_Occurred() ? 0 : PyLong_AsSsize_t(args[4]);
    Py_ssize_t stop = PyErr_Occurred() ? 0 : PyLong_AsSsize_t(args[5]);
    Typed texts, offsets;
    if (PyErr_Occurred() || !open_typed(args[1], &texts))
        return NULL;
    if (!open_typed(args[2], &offsets)) {
        PyBuffer_Release(&texts.view);
        return NULL;
    }
    int inside = start >= 0 && start <= stop && stop < offsets.count, same = 0;
    Py_ssize_t end = stop;
    while (inside && start < stop) {
        Py_ssize_t middle = start + (stop - start) / 2;
        if (text_order(&texts, &offsets, gap, middle, PyBytes_AS_STRING(args[0]), PyBytes_GET_SIZE(args[0])) < 0)
            start = middle + 1;
        else
            stop = middle;
    }
    if (inside && start < end)
        same = !text_order(&texts, &offsets, gap, start, PyBytes_AS_STRING(args[0]), PyBytes_GET_SIZE(args[0]));
    PyBuffer_Release(&offsets.view);
    PyBuffer_Release(&texts.view);
    if (!inside)
        return PyErr_Format(PyExc_IndexError, "texts are sought beyond those of a column");
    return PyLong_FromSsize_t(same ? start : ~start);
}

/* -- from a key to an opened row group ----------------------------------------------------------------------------------- */

enum {
    SHIFT, LOW_SHIFT, SHARDS, LOWS, ROWS, ENDS, FIRSTS, CHILDREN, HEIGHT, REF, FIRST, LENGTH, START, COUNT, TEXTS, USED,
    KEY, SLOTS,
};

/* What a slot of an object holds, a strong reference; NULL without an error if that is nothing, or it has no such slot. */
static PyObject *
held(PyObject *object, PyObject *slots, int which)
{
    PyMemberDescrObject *slot = (PyMemberDescrObject *)PyTuple_GET_ITEM(slots, which);
    if (!PyObject_TypeCheck(object, PyDescr_TYPE(slot)))
        return NULL;
#ifdef Py_GIL_DISABLED
    PyObject *found = PyMember_GetOne((char *)object, slot->d_member);
    if (found == NULL)
        PyErr_Clear();
    return found;
#else
    return Py_XNewRef(*(PyObject **)((char *)object + slot->d_member->offset));
#endif
}

/* The number in a slot: 1; 0 without an error if there is none that is an int of 64 bits. */
static int
held_number(PyObject *object, PyObject *slots, int which, long long *number)
{
    PyObject *found = held(object, slots, which);
    int overflow = found == NULL || !PyLong_CheckExact(found);
    if (!overflow)
        *number = PyLong_AsLongLongAndOverflow(found, &overflow);
    Py_XDECREF(found);
    return !overflow;
}

/* The bytes that are hashed for an exact text, or an exact int of 64 bits: 1; 0 without an error for other keys, -1
   with one. They lie in `room` or in the key. */
static int
key_bytes(PyObject *key, char *room, const char **data, Py_ssize_t *size)
{
    if (PyLong_CheckExact(key)) {
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(key, &overflow);
        room[0] = (char)0xff;
        room[1] = 'i';
        memcpy(room + 2, &number, 8);
        *data = room;
        *size = 10;
        return !overflow;
    }
    if (!is_plain_text(key))
        return PyErr_Occurred() ? -1 : 0;
    int surrogates = 0;
    *size = utf8_size(key, &surrogates);
    *data = room;
    if (surrogates)
        return 0;
    if (PyUnicode_IS_ASCII(key))
        *data = PyUnicode_DATA(key);
    else if (*size <= SHORT)
        put_utf8(key, room);
    else if ((*data = PyUnicode_AsUTF8AndSize(key, size)) == NULL)
        return -1;
    return 1;
}

/* The id of the first row that an opened shard of the run has for a hash; -1 if there is none, or with an error. */
static int64_t
first_row(PyObject *run, PyObject *slots, uint64_t hashed)
{
    long long shift, low_shift;
    uint64_t row;
    int known = 0;
    if (!held_number(run, slots, SHIFT, &shift) || !held_number(run, slots, LOW_SHIFT, &low_shift) || shift < 0
        || low_shift < 0 || low_shift > 32)
        return -1;
    PyObject *shards = held(run, slots, SHARDS), *shard = NULL;
    PyObject *number = PyLong_FromUnsignedLongLong(shift < 64 ? hashed >> shift : 0);
    if (number != NULL && shards != NULL && PyDict_CheckExact(shards))
        shard = dict_item(shards, number);
    if (shard != NULL) {
        PyObject *lows = held(shard, slots, LOWS), *rows = held(shard, slots, ROWS);
        if (lows != NULL && rows != NULL)
            known = row_of(hashed, (int)low_shift, lows, rows, 0, &row);
        Py_XDECREF(rows);
        Py_XDECREF(lows);
        Py_DECREF(shard);
    }
    else if (PyErr_Occurred())
        known = -1;
    Py_XDECREF(number);
    Py_XDECREF(shards);
    return known > 0 && row <= INT64_MAX ? (int64_t)row : -1;
}

/* The last of rising numbers that is not above `row`: its place; -1 if there is none. */
static Py_ssize_t
last_to(PyObject *firsts, long long row)
{
    Py_ssize_t low = 0, high = PyList_GET_SIZE(firsts);
    while (low < high) {
        Py_ssize_t middle = low + (high - low) / 2;
        PyObject *number = list_item(firsts, middle);
        int overflow = number == NULL || !PyLong_CheckExact(number);
        long long first = overflow ? 0 : PyLong_AsLongLongAndOverflow(number, &overflow);
        Py_XDECREF(number);
        if (overflow) {
            PyErr_Clear();
            return -1;
        }
        if (row < first)
            high = middle;
        else
            low = middle + 1;
    }
    return low - 1;
}

/* The child of a node that has a row, and whether it is a piece; NULL without an error where that is not known. */
static PyObject *
child_with(PyObject *node, PyObject *slots, long long row, int *is_piece)
{
    long long height;
    PyObject *ends = held(node, slots, ENDS), *firsts = held(node, slots, FIRSTS), *found = NULL;
    PyObject *children = held(node, slots, CHILDREN);
    if (ends != NULL && PyList_CheckExact(ends) && PyList_GET_SIZE(ends) && firsts != NULL && PyList_CheckExact(firsts)
        && children != NULL && PyList_CheckExact(children) && held_number(node, slots, HEIGHT, &height)) {
        Py_ssize_t at = last_to(firsts, row);
        *is_piece = height <= 1;
        if (at >= 0 && at < PyList_GET_SIZE(children))
            found = list_item(children, at);
        if (found == NULL)
            PyErr_Clear();
    }
    Py_XDECREF(children);
    Py_XDECREF(firsts);
    Py_XDECREF(ends);
    return found;
}

/* The opened row group of a piece; NULL without an error where it is not open. */
static PyObject *
group_of(PyObject *piece, PyObject *slots, PyObject *groups)
{
    PyObject *ref = held(piece, slots, REF), *found = NULL;
    if (ref != NULL && PyTuple_Check(ref) && PyTuple_GET_SIZE(ref) > 0 && PyLong_CheckExact(PyTuple_GET_ITEM(ref, 0)))
        found = dict_item(groups, PyTuple_GET_ITEM(ref, 0));
    Py_XDECREF(ref);
    return found;
}

/* What gives the keys of a row group by their rows. It opens them if they are not open. */
static PyObject *
keys_of(PyObject *group, PyObject *slots)
{
    PyObject *found = held(group, slots, KEY);
    return found != NULL ? found : attribute(group, "key");
}

/* Whether the key of a row of a row group is the one sought, whose bytes are `data`; -1 with an error. */
static int
has_key(PyObject *group, PyObject *slots, long long row, PyObject *key, const char *data, Py_ssize_t size)
{
    PyObject *texts = held(group, slots, TEXTS);
    int same = -1;
    if (texts != NULL && PyTuple_CheckExact(texts) && PyTuple_GET_SIZE(texts) == 3 && PyUnicode_Check(key)) {
        Py_ssize_t gap = PyLong_AsSsize_t(PyTuple_GET_ITEM(texts, 2));
        if (gap != -1 || !PyErr_Occurred())
            same = same_text(data, size, PyTuple_GET_ITEM(texts, 0), PyTuple_GET_ITEM(texts, 1), gap, row);
    }
    else {
        PyObject *get = keys_of(group, slots), *place = get == NULL ? NULL : PyLong_FromLongLong(row);
        PyObject *stored = place == NULL ? NULL : PyObject_CallOneArg(get, place);
        if (stored != NULL)
            same = PyObject_RichCompareBool(stored, key, Py_EQ);
        Py_XDECREF(stored);
        Py_XDECREF(place);
        Py_XDECREF(get);
    }
    Py_XDECREF(texts);
    return same;
}

/* The row of a piece as one of its row group, which is used now: (group, row); NULL without an error if the key there
   is another one, or the row group is not open. */
static PyObject *
row_in(
    PyObject *piece, PyObject *slots, PyObject *groups, long long row, PyObject *key, const char *data, Py_ssize_t size
)
{
    long long first, length, start, count;
    PyObject *group = group_of(piece, slots, groups), *found = NULL;
    if (group != NULL && held_number(piece, slots, FIRST, &first) && held_number(piece, slots, LENGTH, &length)
        && held_number(piece, slots, START, &start) && held_number(group, slots, COUNT, &count) && first >= 0
        && row >= first && row - first < length && start >= 0 && start < count && row - first < count - start) {
        PyMemberDescrObject *used = (PyMemberDescrObject *)PyTuple_GET_ITEM(slots, USED);
        row = start + (row - first);
        int same = PyMember_SetOne((char *)group, used->d_member, Py_True) < 0
                       ? -1 : has_key(group, slots, row, key, data, size);
        PyObject *place = same > 0 ? PyLong_FromLongLong(row) : NULL;
        found = place == NULL ? NULL : PyTuple_Pack(2, group, place);
        Py_XDECREF(place);
    }
    Py_XDECREF(group);
    return found;
}

/* The piece that would have the row with this id; NULL without an error where not all nodes are in memory. */
static PyObject *
piece_with(PyObject *root, PyObject *slots, long long row)
{
    PyObject *node = Py_NewRef(root);
    for (int is_piece = 0; node != NULL && !is_piece;) {
        PyObject *child = child_with(node, slots, row, &is_piece);
        Py_SETREF(node, child);
    }
    return node;
}

/* Whether `slots` are those that functions here read; 0 with an error if they are not. */
static int
are_slots(PyObject *slots)
{
    int known = PyTuple_CheckExact(slots) && PyTuple_GET_SIZE(slots) == SLOTS;
    for (int i = 0; known && i < SLOTS; i++) {
        PyMemberDescrObject *slot = (PyMemberDescrObject *)PyTuple_GET_ITEM(slots, i);
        known = Py_IS_TYPE((PyObject *)slot, &PyMemberDescr_Type) && slot->d_member->type == T_OBJECT_EX;
    }
    known = known && PyDescr_TYPE(PyTuple_GET_ITEM(slots, USED)) == PyDescr_TYPE(PyTuple_GET_ITEM(slots, COUNT));
    if (!known)
        PyErr_SetString(PyExc_TypeError, "a way to rows takes slots, those of row groups of one class");
    return known;
}

/* find_open(key, run, node, groups, slots): see parcode_orm.table.lookup. */
static PyObject *
find_open(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 5 || !PyDict_CheckExact(args[3]))
        return PyErr_Format(PyExc_TypeError, "find_open takes a key, a run, a node, a dictionary and slots");
    PyObject *key = args[0], *slots = args[4];
    if (!are_slots(slots))
        return NULL;
    char room[SHORT];
    const char *data;
    Py_ssize_t size;
    int known = key_bytes(key, room, &data, &size);
    int64_t row = known > 0 ? first_row(args[1], slots, checksum_of((const unsigned char *)data, (size_t)size)) : -1;
    PyObject *piece = row < 0 ? NULL : piece_with(args[2], slots, row), *found = NULL;
    if (piece != NULL)
        found = row_in(piece, slots, args[3], row, key, data, size);
    Py_XDECREF(piece);
    if (found == NULL && !PyErr_Occurred())
        found = Py_NewRef(Py_None);
    return found;
}

/* The piece that has the row with this id, and the row's place in it; NULL without an error if none has it, which is
   known, or where not all nodes are in memory. */
static PyObject *
piece_of(PyObject *ids, Py_ssize_t i, PyObject *root, PyObject *slots, long long *place, int *known)
{
    PyObject *id = list_item(ids, i), *piece = NULL;
    int overflow = id == NULL || !PyLong_CheckExact(id);
    long long row = overflow ? 0 : PyLong_AsLongLongAndOverflow(id, &overflow), first, length;
    Py_XDECREF(id);
    if (!overflow)
        piece = piece_with(root, slots, row);
    *known = piece != NULL && held_number(piece, slots, FIRST, &first) && held_number(piece, slots, LENGTH, &length)
             && first >= 0 && row >= first;
    if (!*known || row - first >= length)
        Py_CLEAR(piece);
    else
        *place = row - first;
    return piece;
}

/* open_rows(ids, root, slots): see parcode_orm.table.lookup. */
static PyObject *
open_rows(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 3 || !PyList_CheckExact(args[0]))
        return PyErr_Format(PyExc_TypeError, "open_rows takes a list of ids, a node and slots");
    PyObject *pieces = NULL, *places = NULL, *found = NULL;
    int known = are_slots(args[2]) && (pieces = PyList_New(0)) != NULL && (places = PyList_New(0)) != NULL;
    for (Py_ssize_t i = 0; known && i < PyList_GET_SIZE(args[0]); i++) {
        long long at;
        PyObject *piece = piece_of(args[0], i, args[1], args[2], &at, &known);
        PyObject *place = piece == NULL ? NULL : PyLong_FromLongLong(at);
        if (piece != NULL)
            known = place != NULL && PyList_Append(pieces, piece) == 0 && PyList_Append(places, place) == 0;
        Py_XDECREF(place);
        Py_XDECREF(piece);
    }
    if (known)
        found = PyTuple_Pack(2, pieces, places);
    Py_XDECREF(pieces);
    Py_XDECREF(places);
    return found == NULL && !PyErr_Occurred() ? Py_NewRef(Py_None) : found;
}

/* The key of a row of a piece; NULL without an error if its row group is not open. */
static PyObject *
key_in(PyObject *piece, PyObject *slots, PyObject *groups, long long place)
{
    long long start, count;
    PyObject *group = group_of(piece, slots, groups), *found = NULL;
    if (group != NULL && held_number(piece, slots, START, &start) && held_number(group, slots, COUNT, &count)
        && start >= 0 && start < count && place < count - start) {
        PyObject *get = keys_of(group, slots), *row = get == NULL ? NULL : PyLong_FromLongLong(start + place);
        found = row == NULL ? NULL : PyObject_CallOneArg(get, row);
        Py_XDECREF(row);
        Py_XDECREF(get);
    }
    Py_XDECREF(group);
    return found;
}

/* open_keys(ids, root, groups, slots): see parcode_orm.table.lookup. */
static PyObject *
open_keys(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || !PyList_CheckExact(args[0]) || !PyDict_CheckExact(args[2]))
        return PyErr_Format(PyExc_TypeError, "open_keys takes a list of ids, a node, a dictionary and slots");
    PyObject *found = are_slots(args[3]) ? PyList_New(0) : NULL;
    for (Py_ssize_t i = 0; found != NULL && i < PyList_GET_SIZE(args[0]); i++) {
        long long place;
        int known;
        PyObject *piece = piece_of(args[0], i, args[1], args[3], &place, &known);
        PyObject *key = piece == NULL ? NULL : key_in(piece, args[3], args[2], place);
        if (!known || (piece != NULL && (key == NULL || PyList_Append(found, key) < 0)))
            Py_CLEAR(found);
        Py_XDECREF(key);
        Py_XDECREF(piece);
    }
    return found == NULL && !PyErr_Occurred() ? Py_NewRef(Py_None) : found;
}

PyMethodDef lookup_methods[] = {
    {"find_row", (PyCFunction)(void (*)(void))find_row, METH_FASTCALL, NULL},
    {"is_text", (PyCFunction)(void (*)(void))is_text, METH_FASTCALL, NULL},
    {"text_place", (PyCFunction)(void (*)(void))text_place, METH_FASTCALL, NULL},
    {"find_open", (PyCFunction)(void (*)(void))find_open, METH_FASTCALL, NULL},
    {"open_rows", (PyCFunction)(void (*)(void))open_rows, METH_FASTCALL, NULL},
    {"open_keys", (PyCFunction)(void (*)(void))open_keys, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
