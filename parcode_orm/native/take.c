/* Taking objects apart: the fields of many, what was set in them, the types of what they hold. */

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
    PyObject *value = NULL;
#if PY_VERSION_HEX >= 0x030D0000
    if (PyDict_CheckExact(row) && PyDict_GetItemRef(row, name, &value) < 0)
        return NULL;
#else
    value = PyDict_CheckExact(row) ? Py_XNewRef(PyDict_GetItemWithError(row, name)) : NULL;
    if (value == NULL && PyErr_Occurred())
        return NULL;
#endif
    return value != NULL ? value : PyObject_GetItem(row, name);
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

/* Strong references to up to AHEAD rows from `start` to `end`; how many. Rows are the dictionaries of objects exactly of
   `cls`, or with `cls` NULL the values themselves. Fewer than there are where one is of another class, or the list has
   become shorter; 0 with an error. */
static Py_ssize_t
hold_rows(PyObject *values, Py_ssize_t start, Py_ssize_t end, PyTypeObject *cls, PyObject **rows)
{
    Py_ssize_t found = 0;
    end = end - start < AHEAD ? end : start + AHEAD;
    while (start + found < end && start + found < PySequence_Fast_GET_SIZE(values)) {
        PyObject *value = PySequence_Fast_GET_ITEM(values, start + found);
        if (cls != NULL && Py_TYPE(value) != cls)
            break;
        Py_INCREF(value);
        if (cls != NULL) /* this may make the dictionary, which may run code */
            Py_SETREF(value, PyObject_GenericGetDict(value, NULL));
        if (value == NULL) {
            release(rows, found);
            return 0;
        }
        rows[found++] = value;
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
        Py_ssize_t held = hold_rows(values, at, count, cls, rows);
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
    names = dicts == NULL ? NULL : PySequence_Tuple(names);
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
    BEGIN_LOCKED(values);
    while (found != NULL && at < PySequence_Fast_GET_SIZE(values)) {
        PyTypeObject *cls = Py_TYPE(PySequence_Fast_GET_ITEM(values, at));
        Py_ssize_t held = hold_rows(values, at, PySequence_Fast_GET_SIZE(values), cls, rows);
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
    END_LOCKED;
    Py_DECREF(values);
    return found;
}

/* The place of the slot `name` in objects of `cls`; 0 if `name` is no slot of theirs. */
static Py_ssize_t
slot_of(PyTypeObject *cls, const char *name)
{
    PyObject *found = attribute((PyObject *)cls, name);
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
    return found != NULL ? found : attribute(value, name);
}

/* Whether a model's set of names equals `full`, whose items are `names`; -1 on an error. */
static int
equals_full(PyObject *set, PyObject *full, PyObject *names)
{
    return PySet_CheckExact(set) ? is_full(set, names) : PyObject_RichCompareBool(set, full, Py_EQ);
}

/* Whether `count` values from `start` on have full sets and no extras; -1 on an error. `slots`: where both stand in
   objects of `cls`. Full sets that several values share are compared once. */
static int
are_full(
    PyObject *values, Py_ssize_t start, Py_ssize_t count, PyObject *full, PyObject *names, PyTypeObject *cls,
    const Py_ssize_t *slots
)
{
    PyObject *sets[AHEAD], *last = NULL;
    Py_ssize_t held = 0;
    int fine = 1;
    for (; fine > 0 && held < count && start + held < PySequence_Fast_GET_SIZE(values); held++) {
        PyObject *value = Py_NewRef(PySequence_Fast_GET_ITEM(values, start + held));
        int alike = Py_IS_TYPE(value, cls);
        sets[held] = in_slot(value, alike ? slots[0] : 0, "__pydantic_fields_set__");
        PyObject *extras = sets[held] == NULL ? NULL : in_slot(value, alike ? slots[1] : 0, "__pydantic_extra__");
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

/* Whether in each of some models, all of the class of the first one, the names that were set are `full`, whose items are
   `names`, and there are no extra values; -1 on an error. */
static int
all_are_full(PyObject *values, PyObject *full, PyObject *names)
{
    if (!PySequence_Fast_GET_SIZE(values))
        return 1;
    PyTypeObject *cls = (PyTypeObject *)Py_NewRef(Py_TYPE(PySequence_Fast_GET_ITEM(values, 0)));
    Py_ssize_t slots[] = {slot_of(cls, "__pydantic_fields_set__"), slot_of(cls, "__pydantic_extra__")};
    int fine = 1;
    for (Py_ssize_t at = 0; fine > 0 && at < PySequence_Fast_GET_SIZE(values); at += AHEAD)
        fine = are_full(values, at, AHEAD, full, names, cls, slots);
    Py_DECREF(cls);
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
    PyObject *names = values == NULL ? NULL : PySequence_Tuple(full);
    int fine = -1;
    if (names != NULL) {
        BEGIN_LOCKED(values);
        fine = all_are_full(values, full, names);
        END_LOCKED;
    }
    Py_XDECREF(names);
    Py_XDECREF(values);
    return fine < 0 ? NULL : PyBool_FromLong(fine);
}

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
        Py_ssize_t held = hold_rows(values, at, count, cls, rows);
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

/* most_references(values): see parcode_orm.session.references. `map`, which the specification uses, has one more. */
static PyObject *
most_references_locked(PyObject *values)
{
    Py_ssize_t most = 0;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(values); i++) {
        Py_ssize_t count = Py_REFCNT(PySequence_Fast_GET_ITEM(values, i)) + 1;
        most = count > most ? count : most;
    }
    return PyLong_FromSsize_t(most);
}

SEQUENCE_METHOD(most_references)

enum { NAMES = 32 };

/* Add the keys of a dictionary to `names`. `before` has the first NAMES of the dictionary before it: as a rule rows have
   the same names in the same order, and these are not hashed again. -1 with an error. */
static int
add_names(PyObject *row, PyObject *names, PyObject **before)
{
    PyObject *key, *value;
    Py_ssize_t place = 0;
    for (int i = 0; PyDict_Next(row, &place, &key, &value); i++) {
        if (i < NAMES && before[i] == key)
            continue;
        Py_INCREF(key);
        int failed = PySet_Add(names, key) < 0;
        if (i < NAMES)
            Py_XSETREF(before[i], key);
        else
            Py_DECREF(key);
        if (failed)
            return -1;
    }
    return 0;
}

/* names_within(values): the set of the names in the dictionaries of some objects. */
static PyObject *
names_within_locked(PyObject *values)
{
    PyObject *names = PySet_New(NULL), *before[NAMES] = {NULL}, *rows[AHEAD];
    Py_ssize_t count = PySequence_Fast_GET_SIZE(values), at = 0;
    while (names != NULL && at < count && at < PySequence_Fast_GET_SIZE(values)) {
        PyTypeObject *cls = Py_TYPE(PySequence_Fast_GET_ITEM(values, at));
        Py_ssize_t held = hold_rows(values, at, count, cls, rows);
        int failed = !held;
        for (Py_ssize_t i = 0; !failed && i < held; i++) {
            BEGIN_LOCKED(rows[i]);
            failed = add_names(rows[i], names, before) < 0;
            END_LOCKED;
        }
        release(rows, held);
        at += held;
        if (failed)
            Py_CLEAR(names);
    }
    for (int i = 0; i < NAMES; i++)
        Py_XDECREF(before[i]);
    return names;
}

SEQUENCE_METHOD(names_within)

PyMethodDef take_methods[] = {
    {"all_set", all_set, METH_VARARGS, NULL},
    {"columns_of", columns_of, METH_VARARGS, NULL},
    {"field_of", field_of, METH_VARARGS, NULL},
    {"models_apart", models_apart, METH_VARARGS, NULL},
    {"most_references", most_references, METH_O, NULL},
    {"names_within", names_within, METH_O, NULL},
    {"types_within", types_within, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
