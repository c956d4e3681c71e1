/* Taking apart: the fields of many objects, the items of many lists, what is there of what may be None. */

#include "core.h"

#include <structmember.h>

enum { AHEAD = 64 }; /* objects whose memory is asked for at once: it arrives while others are looked at */

/* Give up the first `count` of some references. */
static void
release(PyObject **held, Py_ssize_t count)
{
    while (count > 0)
        Py_DECREF(held[--count]);
}

/* A strong reference to `row[name]`; NULL with an error if there is none. */
static PyObject *
lookup(PyObject *row, PyObject *name)
{
    PyObject *value = PyDict_CheckExact(row) ? PyDict_GetItemWithError(row, name) : NULL;
    if (value != NULL)
        return Py_NewRef(value);
    return PyErr_Occurred() ? NULL : PyObject_GetItem(row, name);
}

/* Take the values of `names` from a row, as a rule the first items of a dictionary in this order, to the place `at` of
   `columns`. 0 with an error if one is missing. */
static int
take_row(PyObject *row, PyObject *names, PyObject **columns, Py_ssize_t at)
{
    Py_ssize_t place = 0;
    int in_order = PyDict_CheckExact(row);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i), *key, *value;
        in_order = in_order && PyDict_Next(row, &place, &key, &value) && key == name;
        value = in_order ? Py_NewRef(value) : lookup(row, name);
        if (value == NULL)
            return 0;
        PyTuple_SET_ITEM(columns[i], at, value);
    }
    return 1;
}

#ifndef Py_GIL_DISABLED
/* As `take_rows` where all rows are dictionaries whose first items are `names` in order; 0 without effect if one is
   not. The values are read first and counted then, a column at a time, so that their memory arrives meanwhile. */
static int
take_alike(PyObject **rows, Py_ssize_t count, PyObject *names, PyObject **columns, Py_ssize_t at, Py_ssize_t *most)
{
    Py_ssize_t width = PyTuple_GET_SIZE(names), longest = *most;
    for (Py_ssize_t k = 0; k < count; k++) {
        PyObject *row = rows[k], *key, *value;
        Py_ssize_t place = 0;
        int alike = PyDict_CheckExact(row);
        for (Py_ssize_t i = 0; alike && i < width; i++) {
            alike = PyDict_Next(row, &place, &key, &value) && key == PyTuple_GET_ITEM(names, i);
            if (alike) {
                PREFETCH(value);
                PyTuple_SET_ITEM(columns[i], at + k, value); /* borrowed: nothing runs until it is counted */
            }
        }
        if (!alike) {
            for (Py_ssize_t i = 0; i < width; i++)
                for (Py_ssize_t j = 0; j <= k; j++)
                    PyTuple_SET_ITEM(columns[i], at + j, NULL);
            return 0;
        }
        longest = PyDict_GET_SIZE(row) > longest ? PyDict_GET_SIZE(row) : longest;
    }
    for (Py_ssize_t i = 0; i < width; i++)
        for (Py_ssize_t k = 0; k < count; k++)
            Py_INCREF(PyTuple_GET_ITEM(columns[i], at + k));
    *most = longest;
    return 1;
}
#endif

/* Take some rows. Returns whether all had all `names`, else there is an error; the longest dictionary's length counts
   in `*most`. */
static int
take_rows(PyObject **rows, Py_ssize_t count, PyObject *names, PyObject **columns, Py_ssize_t at, Py_ssize_t *most)
{
    for (Py_ssize_t i = 0; i < count; i++)
        if (PyDict_CheckExact(rows[i])) {
            PREFETCH(((PyDictObject *)rows[i])->ma_keys);
            PREFETCH((char *)((PyDictObject *)rows[i])->ma_keys + 64);
            PREFETCH((char *)((PyDictObject *)rows[i])->ma_keys + 128);
            PREFETCH((char *)((PyDictObject *)rows[i])->ma_keys + 192);
        }
#ifndef Py_GIL_DISABLED
    if (take_alike(rows, count, names, columns, at, most))
        return 1;
#endif
    int taken = 1;
    for (Py_ssize_t i = 0; taken && i < count; i++) {
        BEGIN_LOCKED(rows[i]);
        taken = take_row(rows[i], names, columns, at + i);
        if (taken && PyDict_CheckExact(rows[i]) && PyDict_GET_SIZE(rows[i]) > *most)
            *most = PyDict_GET_SIZE(rows[i]);
        END_LOCKED;
    }
    return taken;
}

/* Strong references to up to AHEAD rows from `start` on; how many. Rows are the dictionaries of objects exactly of
   `cls`, or with `cls` NULL the values themselves. Fewer than there are, maybe with an error, where one is of another
   class. */
static Py_ssize_t
hold_rows(PyObject *values, Py_ssize_t start, PyTypeObject *cls, PyObject **rows)
{
    Py_ssize_t found = 0;
    while (found < AHEAD && start + found < PySequence_Fast_GET_SIZE(values)) {
        PyObject *value = PySequence_Fast_GET_ITEM(values, start + found);
        if (cls != NULL && Py_TYPE(value) != cls)
            break;
        PyObject *row = cls == NULL ? Py_NewRef(value) : PyObject_GenericGetDict(value, NULL);
        if (row == NULL)
            break;
        rows[found++] = row;
        if (start + found + 16 < PySequence_Fast_GET_SIZE(values))
            PREFETCH(PySequence_Fast_GET_ITEM(values, start + found + 16));
    }
    return found;
}

/* The values of `names` of all rows (see `hold_rows`): a list of tuples, untracked while they have gaps. NULL without
   an error if a value is of another class. */
static PyObject *
take_columns(PyObject *values, PyTypeObject *cls, PyObject *names, Py_ssize_t *most)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values), width = PyTuple_GET_SIZE(names), at = 0;
    PyObject *rows[AHEAD], *result = PyList_New(0);
    PyObject **columns = PyMem_New(PyObject *, width + 1);
    int fine = result != NULL && columns != NULL;
    Py_ssize_t made = 0;
    for (; fine && made < width; made += fine) {
        columns[made] = PyTuple_New(count);
        fine = columns[made] != NULL;
        if (fine && count)
            PyObject_GC_UnTrack(columns[made]);
    }
    if (!fine && !PyErr_Occurred())
        PyErr_NoMemory();
    while (fine && at < count) {
        Py_ssize_t held = hold_rows(values, at, cls, rows);
        fine = held > 0 && take_rows(rows, held, names, columns, at, most);
        at += held;
        release(rows, held);
    }
    for (Py_ssize_t i = 0; i < made; i++) {
        if (fine && count)
            PyObject_GC_Track(columns[i]);
        fine = fine && PyList_Append(result, columns[i]) == 0;
        Py_DECREF(columns[i]);
    }
    PyMem_Free(columns);
    if (!fine)
        Py_CLEAR(result);
    return result;
}

/* columns_of(dicts, names): a list with a tuple of values for each name. KeyError when a dictionary lacks one. */
static PyObject *
columns_of(PyObject *module, PyObject *args)
{
    PyObject *dicts, *names, *result = NULL;
    Py_ssize_t most = 0;
    if (!PyArg_ParseTuple(args, "OO:columns_of", &dicts, &names))
        return NULL;
    dicts = as_sequence(dicts);
    names = PySequence_Tuple(names);
    if (dicts != NULL && names != NULL) {
        BEGIN_LOCKED(dicts);
        result = take_columns(dicts, NULL, names, &most);
        END_LOCKED;
        if (result == NULL && !PyErr_Occurred())
            PyErr_SetString(PyExc_RuntimeError, "the list of dictionaries changed");
    }
    Py_XDECREF(dicts);
    Py_XDECREF(names);
    return result;
}

/* models_apart(values, cls, names): (a list with a tuple of values for each name, the number of items in the longest
   dictionary) of objects exactly of `cls`. None if one is of another class or lacks a name, or there is none. */
static PyObject *
models_apart(PyObject *module, PyObject *args)
{
    PyObject *values, *cls, *names, *columns;
    Py_ssize_t most = 0;
    if (!PyArg_ParseTuple(args, "OO!O!:models_apart", &values, &PyType_Type, &cls, &PyTuple_Type, &names))
        return NULL;
    values = as_sequence(values);
    if (values == NULL)
        return NULL;
    int some = PySequence_Fast_GET_SIZE(values) > 0;
    BEGIN_LOCKED(values);
    columns = some ? take_columns(values, (PyTypeObject *)cls, names, &most) : NULL;
    END_LOCKED;
    Py_DECREF(values);
    if (columns != NULL)
        return Py_BuildValue("(Nn)", columns, most);
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_KeyError))
        return NULL;
    PyErr_Clear();
    Py_RETURN_NONE;
}

/* field_of(values, name): the items `name` of the dictionaries of objects, a list. KeyError when one lacks it. */
static PyObject *
field_of(PyObject *module, PyObject *args)
{
    PyObject *values, *name, *rows[AHEAD];
    if (!PyArg_ParseTuple(args, "OU:field_of", &values, &name) || (values = as_sequence(values)) == NULL)
        return NULL;
    PyObject *found = PyList_New(0);
    Py_ssize_t at = 0;
    while (found != NULL && at < PySequence_Fast_GET_SIZE(values)) {
        Py_ssize_t held = hold_rows(values, at, Py_TYPE(PySequence_Fast_GET_ITEM(values, at)), rows);
        for (Py_ssize_t i = 0; i < held; i++)
            PREFETCH(((PyDictObject *)rows[i])->ma_keys);
        int fine = held > 0;
        for (Py_ssize_t i = 0; fine && i < held; i++) {
            PyObject *value = lookup(rows[i], name);
            fine = value != NULL && PyList_Append(found, value) == 0;
            Py_XDECREF(value);
        }
        release(rows, held);
        at += held;
        if (!fine)
            Py_CLEAR(found);
    }
    Py_DECREF(values);
    return found;
}

/* The place of the slot `name` in objects of `cls`; 0 if `name` is no slot of theirs. */
static Py_ssize_t
slot_of(PyTypeObject *cls, const char *name)
{
    PyObject *found = PyObject_GetAttrString((PyObject *)cls, name);
    Py_ssize_t place = 0;
    if (found == NULL)
        PyErr_Clear();
    else if (Py_IS_TYPE(found, &PyMemberDescr_Type) && PyType_IsSubtype(cls, PyDescr_TYPE(found)))
        place = ((PyMemberDescrObject *)found)->d_member->offset;
    Py_XDECREF(found);
    return place;
}

/* Ask for the memory in which an exact set keeps some names. */
static void
prefetch_names(PyObject *set, PyObject *names)
{
#ifndef Py_GIL_DISABLED
    PySetObject *table = (PySetObject *)set;
    for (Py_ssize_t i = 0; PySet_CheckExact(set) && i < PyTuple_GET_SIZE(names); i++)
        if (PyUnicode_CheckExact(PyTuple_GET_ITEM(names, i)))
            PREFETCH(&table->table[((PyASCIIObject *)PyTuple_GET_ITEM(names, i))->hash & table->mask]);
#endif
}

/* Whether an exact set has as many names as the tuple `full`, and all of them; -1 on an error. */
static int
is_full(PyObject *set, PyObject *full)
{
    if (PySet_GET_SIZE(set) != PyTuple_GET_SIZE(full))
        return 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(full); i++) {
        PyObject *name = PyTuple_GET_ITEM(full, i);
#ifndef Py_GIL_DISABLED
        PySetObject *table = (PySetObject *)set;
        if (PyUnicode_CheckExact(name) && table->table[((PyASCIIObject *)name)->hash & table->mask].key == name)
            continue;
#endif
        int found = PySet_Contains(set, name);
        if (found <= 0)
            return found;
    }
    return 1;
}

/* The attribute `name` of `value`, which stands in its slot at `place` if that is not 0: a strong reference. NULL with
   an error if it is not set. */
static PyObject *
in_slot(PyObject *value, Py_ssize_t place, const char *name)
{
    PyObject *found = NULL;
    if (place) {
        BEGIN_LOCKED(value);
        found = Py_XNewRef(*(PyObject **)((char *)value + place));
        END_LOCKED;
    }
    return found != NULL ? found : PyObject_GetAttrString(value, name);
}

/* Whether a model's set of names equals `full`, whose items are `names`; -1 on an error. */
static int
equals_full(PyObject *set, PyObject *full, PyObject *names)
{
    return PySet_CheckExact(set) ? is_full(set, names) : PyObject_RichCompareBool(set, full, Py_EQ);
}

/* Whether `count` values from `start` on have full sets and no extras; -1 on an error. `slots`: where both stand.
   Full sets that several values share are compared once. */
static int
are_full(PyObject *values, Py_ssize_t start, Py_ssize_t count, PyObject *full, PyObject *names, const Py_ssize_t *slots)
{
    PyObject *sets[AHEAD], *last = NULL;
    Py_ssize_t held = 0;
    int fine = 1;
    for (; fine > 0 && held < count && start + held < PySequence_Fast_GET_SIZE(values); held++) {
        PyObject *value = Py_NewRef(PySequence_Fast_GET_ITEM(values, start + held));
        sets[held] = in_slot(value, slots[0], "__pydantic_fields_set__");
        PyObject *extras = sets[held] == NULL ? NULL : in_slot(value, slots[1], "__pydantic_extra__");
        Py_DECREF(value);
        if (extras == NULL) {
            Py_XDECREF(sets[held]);
            fine = -1;
            break;
        }
        int some = extras == Py_None ? 0 : PyObject_IsTrue(extras);
        Py_DECREF(extras);
        fine = some < 0 ? -1 : !some;
    }
    for (Py_ssize_t i = 0; fine > 0 && i < held; i++)
        prefetch_names(sets[i], names);
    for (Py_ssize_t i = 0; fine > 0 && i < held; i++)
        if (sets[i] != last) {
            fine = equals_full(sets[i], full, names);
            last = sets[i];
        }
    release(sets, held);
    return fine;
}

/* all_set(values, full): whether in each of some models, all of one class, the names that were set are `full`, and
   there are no extra values. */
static PyObject *
all_set(PyObject *module, PyObject *args)
{
    PyObject *values, *full;
    if (!PyArg_ParseTuple(args, "OO!:all_set", &values, &PySet_Type, &full))
        return NULL;
    values = as_sequence(values);
    if (values == NULL)
        return NULL;
    if (!PySequence_Fast_GET_SIZE(values)) {
        Py_DECREF(values);
        Py_RETURN_TRUE;
    }
    PyTypeObject *cls = Py_TYPE(PySequence_Fast_GET_ITEM(values, 0));
    Py_ssize_t slots[] = {slot_of(cls, "__pydantic_fields_set__"), slot_of(cls, "__pydantic_extra__")};
    PyObject *names = PySequence_Tuple(full);
    int fine = names == NULL ? -1 : 1;
    BEGIN_LOCKED(values);
    for (Py_ssize_t at = 0; fine > 0 && at < PySequence_Fast_GET_SIZE(values); at += AHEAD)
        fine = are_full(values, at, AHEAD, full, names, slots);
    END_LOCKED;
    Py_XDECREF(names);
    Py_DECREF(values);
    return fine < 0 ? NULL : PyBool_FromLong(fine);
}

/* types_of(values): the set of the types of some values. */
static PyObject *
types_of_locked(PyObject *values)
{
    PyObject *types = PySet_New(NULL);
    PyTypeObject *last = NULL;
    for (Py_ssize_t i = 0; types != NULL && i < PySequence_Fast_GET_SIZE(values); i++) {
        PyTypeObject *cls = Py_TYPE(PySequence_Fast_GET_ITEM(values, i));
        if (cls == last)
            continue;
        Py_INCREF(cls);
        if (PySet_Add(types, (PyObject *)cls) < 0)
            Py_CLEAR(types);
        Py_DECREF(cls);
        last = cls;
    }
    return types;
}

SEQUENCE_METHOD(types_of)

/* Add the types of a dictionary's values to a set; `last` was added before. -1 on an error. */
static int
add_types(PyObject *types, PyObject *dict, PyTypeObject **last)
{
    PyObject *key, *value;
    Py_ssize_t place = 0;
    int failed = 0;
    BEGIN_LOCKED(dict);
    while (!failed && PyDict_Next(dict, &place, &key, &value)) {
        PyTypeObject *cls = Py_TYPE(value);
        if (cls == last[0] || cls == last[1])
            continue;
        Py_INCREF(cls);
        failed = PySet_Add(types, (PyObject *)cls) < 0;
        Py_DECREF(cls);
        last[0] = last[1];
        last[1] = cls;
    }
    END_LOCKED;
    return failed ? -1 : 0;
}

/* types_within(values): the set of the types of what stands in the dictionaries of some objects. */
static PyObject *
types_within_locked(PyObject *values)
{
    PyObject *types = PySet_New(NULL), *rows[AHEAD];
    PyTypeObject *last[2] = {NULL, NULL};
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values), at = 0;
    while (types != NULL && at < count && at < PySequence_Fast_GET_SIZE(values)) {
        PyTypeObject *cls = Py_TYPE(PySequence_Fast_GET_ITEM(values, at));
        Py_ssize_t held = hold_rows(values, at, cls, rows);
        int failed = !held;
        for (Py_ssize_t i = 0; i < held; i++)
            PREFETCH(((PyDictObject *)rows[i])->ma_keys);
        for (Py_ssize_t i = 0; !failed && i < held; i++)
            failed = add_types(types, rows[i], last);
        release(rows, held);
        at += held;
        if (failed)
            Py_CLEAR(types);
    }
    return types;
}

SEQUENCE_METHOD(types_within)

/* tuples_apart(values, size): a list with a tuple of the items at each place of some sequences; None when one does not
   have `size` items, or there is none. */
static PyObject *
tuples_apart_of(PyObject *values, Py_ssize_t size)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values);
    PyObject *result = PyList_New(0);
    for (Py_ssize_t i = 0; result != NULL && i < size; i++) {
        PyObject *column = PyTuple_New(count);
        if (column == NULL || PyList_Append(result, column) < 0)
            Py_CLEAR(result);
        Py_XDECREF(column);
    }
    int fits = count > 0;
    for (Py_ssize_t k = 0; result != NULL && fits && k < count; k++) {
        PyObject *value = k < PySequence_Fast_GET_SIZE(values) ? PySequence_Fast_GET_ITEM(values, k) : NULL;
        value = value == NULL ? NULL : PyTuple_CheckExact(value) ? Py_NewRef(value) : PySequence_Tuple(value);
        if (value == NULL && PyErr_Occurred())
            Py_CLEAR(result);
        fits = value != NULL && PyTuple_GET_SIZE(value) == size;
        for (Py_ssize_t i = 0; fits && i < size; i++)
            PyTuple_SET_ITEM(PyList_GET_ITEM(result, i), k, Py_NewRef(PyTuple_GET_ITEM(value, i)));
        Py_XDECREF(value);
    }
    if (result == NULL || fits)
        return result;
    Py_DECREF(result);
    Py_RETURN_NONE;
}

static PyObject *
tuples_apart(PyObject *module, PyObject *args)
{
    PyObject *values, *result;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "On:tuples_apart", &values, &size) || (values = as_sequence(values)) == NULL)
        return NULL;
    BEGIN_LOCKED(values);
    result = tuples_apart_of(values, size);
    END_LOCKED;
    Py_DECREF(values);
    return result;
}

/* are_distinct(values): whether no object stands twice among some values. */
static PyObject *
are_distinct_locked(PyObject *values)
{
    size_t count = (size_t)PySequence_Fast_GET_SIZE(values), slots = 8;
    while (slots < 2 * count)
        slots *= 2;
    PyObject **met = PyMem_Calloc(slots, sizeof *met);
    if (met == NULL)
        return PyErr_NoMemory();
    int distinct = 1;
    for (size_t i = 0; distinct && i < count; i++) {
        PyObject *value = PySequence_Fast_GET_ITEM(values, i);
        size_t slot = (size_t)(((uint64_t)(uintptr_t)value >> 4) * 0x9E3779B97F4A7C15ULL >> 32) & (slots - 1);
        while (met[slot] != NULL && met[slot] != value)
            slot = (slot + 1) & (slots - 1);
        distinct = met[slot] == NULL;
        met[slot] = value;
    }
    PyMem_Free(met);
    return PyBool_FromLong(distinct);
}

SEQUENCE_METHOD(are_distinct)

/* spaced(source, step, count): `count` pairs of a dictionary, the first one and each `step`th after it. */
static PyObject *
spaced(PyObject *module, PyObject *args)
{
    PyObject *source, *key, *value;
    Py_ssize_t step, count, place = 0;
    if (!PyArg_ParseTuple(args, "O!nn:spaced", &PyDict_Type, &source, &step, &count))
        return NULL;
    if (step < 1) {
        PyErr_SetString(PyExc_ValueError, "the step is 1 at least");
        return NULL;
    }
    PyObject *keys = PyList_New(0), *values = PyList_New(0), *found = PyDict_New();
    int fine = keys != NULL && values != NULL && found != NULL;
    BEGIN_LOCKED(source);
    for (Py_ssize_t i = 0; fine && PyList_GET_SIZE(keys) < count && PyDict_Next(source, &place, &key, &value); i++)
        if (i % step == 0) {
            Py_INCREF(key);
            Py_INCREF(value);
            fine = PyList_Append(keys, key) == 0 && PyList_Append(values, value) == 0;
            Py_DECREF(key);
            Py_DECREF(value);
        }
    END_LOCKED;
    for (Py_ssize_t i = 0; fine && i < PyList_GET_SIZE(keys); i++)
        fine = PyDict_SetItem(found, PyList_GET_ITEM(keys, i), PyList_GET_ITEM(values, i)) == 0;
    Py_XDECREF(keys);
    Py_XDECREF(values);
    if (!fine)
        Py_CLEAR(found);
    return found;
}

/* Append the items of any iterable to a list; -1 on an error. */
static int
append_all(PyObject *list, PyObject *items)
{
    PyObject *iterator = PyObject_GetIter(items), *item;
    if (iterator == NULL)
        return -1;
    while ((item = PyIter_Next(iterator)) != NULL) {
        int failed = PyList_Append(list, item);
        Py_DECREF(item);
        if (failed)
            break;
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

/* The number of items of exact lists and tuples together; -1 if one is of another type. */
static Py_ssize_t
total_of(PyObject *values)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values), total = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *value = PySequence_Fast_GET_ITEM(values, i);
        if (!is_sequence(value))
            return -1;
        total += PySequence_Fast_GET_SIZE(value);
        if (PySequence_Fast_GET_SIZE(value))
            PREFETCH(PySequence_Fast_ITEMS(value));
    }
    return total;
}

/* Append the items of exact lists and tuples to `found`, which has room for `total`: how many; all of them as a rule. */
static Py_ssize_t
put_items(PyObject *values, PyObject *found, Py_ssize_t total)
{
    Py_ssize_t at = 0;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(values); i++) {
        PyObject *value = PySequence_Fast_GET_ITEM(values, i);
        BEGIN_LOCKED(value);
        Py_ssize_t count = is_sequence(value) ? PySequence_Fast_GET_SIZE(value) : 0;
        PyObject **items = count ? PySequence_Fast_ITEMS(value) : NULL;
        for (Py_ssize_t k = 0; k < count && at < total; k++)
            PyList_SET_ITEM(found, at++, Py_NewRef(items[k]));
        END_LOCKED;
    }
    return at;
}

/* The items of exact lists and tuples as one list; NULL without an error if `values` are others. */
static PyObject *
flat(PyObject *values)
{
    Py_ssize_t total = total_of(values);
    PyObject *found = total < 0 ? NULL : PyList_New(total);
    if (found == NULL)
        return NULL;
    Py_ssize_t at = put_items(values, found, total);
    if (at < total) /* the allocation ran code that changed a list */
        Py_SET_SIZE(found, at);
    return found;
}

/* flatten(values): a list of the items of all values in order. */
static PyObject *
flatten(PyObject *module, PyObject *values)
{
    PyObject *found = NULL;
    if (is_sequence(values)) {
        BEGIN_LOCKED(values);
        found = flat(values);
        END_LOCKED;
    }
    if (found != NULL || PyErr_Occurred())
        return found;
    PyObject *outer = PyObject_GetIter(values), *value;
    found = outer == NULL ? NULL : PyList_New(0);
    while (found != NULL && (value = PyIter_Next(outer)) != NULL) {
        if (append_all(found, value) < 0)
            Py_CLEAR(found);
        Py_DECREF(value);
    }
    Py_XDECREF(outer);
    if (found != NULL && PyErr_Occurred())
        Py_CLEAR(found);
    return found;
}

/* What is there of values that may be None: (a list of these, a bit for each value); None if all are there. */
static PyObject *
present_locked(PyObject *values)
{
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values), there = 0, at = 0;
    for (Py_ssize_t i = 0; i < count; i++)
        there += PySequence_Fast_GET_ITEM(values, i) != Py_None;
    if (there == count)
        Py_RETURN_NONE;
    PyObject *found = PyList_New(there);
    PyObject *bits = PyBytes_FromStringAndSize(NULL, count / 8 + (count % 8 != 0));
    if (found == NULL || bits == NULL) {
        Py_XDECREF(found);
        Py_XDECREF(bits);
        return NULL;
    }
    char *out = PyBytes_AS_STRING(bits);
    memset(out, 0, PyBytes_GET_SIZE(bits));
    for (Py_ssize_t i = 0; i < count && i < PySequence_Fast_GET_SIZE(values); i++) {
        PyObject *value = PySequence_Fast_GET_ITEM(values, i);
        if (value != Py_None && at < there) {
            out[i >> 3] |= (char)(1 << (i & 7));
            PyList_SET_ITEM(found, at++, Py_NewRef(value));
        }
    }
    Py_SET_SIZE(found, at);
    return Py_BuildValue("(NN)", found, bits);
}

SEQUENCE_METHOD(present)

PyMethodDef take_methods[] = {
    {"all_set", all_set, METH_VARARGS, NULL},
    {"are_distinct", are_distinct, METH_O, NULL},
    {"columns_of", columns_of, METH_VARARGS, NULL},
    {"field_of", field_of, METH_VARARGS, NULL},
    {"flatten", flatten, METH_O, NULL},
    {"models_apart", models_apart, METH_VARARGS, NULL},
    {"present", present, METH_O, NULL},
    {"spaced", spaced, METH_VARARGS, NULL},
    {"tuples_apart", tuples_apart, METH_VARARGS, NULL},
    {"types_of", types_of, METH_O, NULL},
    {"types_within", types_within, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
