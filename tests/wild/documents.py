"""Wide documents in the classes of published packages: how large the file is, and what reading one field reads.

`python -m tests.wild.documents` prints the figures. It ends with 1 where a file is more than three times the document's
JSON, or reading the field beside the document reads a tenth of the file.
"""

from __future__ import annotations

import sys
from typing import Any

from pydantic import BaseModel

from parcode_orm import Chunk, Model, Session, ShardedMap, dumps, loads
from tests.equality import same

FORMS = ("inline", "Chunk()", "Chunk() list", "ShardedMap()")


def scene(bands: int) -> BaseModel:
    """A STAC item of a satellite's scene."""
    from stac_pydantic import Item

    place = "https://example.org/scenes/2024/05/01"
    return Item.model_validate(
        {
            "type": "Feature",
            "stac_version": "1.1.0",
            "id": "S2B_32TPT_20240501_0_L2A",
            "collection": "sentinel-2-l2a",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[*([8 + n / 64, 46 + n / 50] for n in range(60)), [8, 46]]],
            },
            "bbox": [8.0, 46.0, 9.0, 47.2],
            "properties": {
                "datetime": "2024-05-01T10:20:30Z",
                "platform": "sentinel-2b",
                "instruments": ["msi"],
                "gsd": 10.0,
                "eo:cloud_cover": 12.5,
                "proj:epsg": 32632,
                "proj:transform": [10.0, 0.0, 600000.0, 0.0, -10.0, 5200020.0],
            },
            "links": [
                {"href": f"{place}/{n}.json", "rel": "related", "title": f"Scene {n}"} for n in range(bands // 3)
            ],
            "assets": {
                f"B{n:02}": {
                    "href": f"{place}/B{n:02}.tif",
                    "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                    "title": f"Band {n}",
                    "roles": ["data", "reflectance"],
                    "eo:bands": [{"name": f"B{n:02}", "center_wavelength": 0.4 + n / 10, "full_width_half_max": 0.038}],
                    "proj:shape": [10980, 10980],
                }
                for n in range(bands)
            },
        }
    )


def description(things: int) -> BaseModel:
    """An OpenAPI description of a service with two operations and a schema for each kind of thing."""
    from openapi_pydantic import OpenAPI

    def content(n: int) -> dict[str, Any]:
        return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/Thing{n}"}}}}

    return OpenAPI.model_validate(
        {
            "openapi": "3.1.0",
            "info": {"title": "Things", "version": "1.0.0", "description": "What there is, and how to change it."},
            "servers": [{"url": "https://example.org/v1"}],
            "paths": {
                f"/thing{n}/{{id}}": {
                    "get": {
                        "operationId": f"get_thing{n}",
                        "summary": f"One thing of kind {n}",
                        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                        "responses": {"200": {"description": "It.", **content(n)}, "404": {"description": "None."}},
                    },
                    "post": {
                        "operationId": f"make_thing{n}",
                        "requestBody": content(n),
                        "responses": {"201": {"description": "Made."}},
                    },
                }
                for n in range(things)
            },
            "components": {
                "schemas": {
                    f"Thing{n}": {
                        "type": "object",
                        "required": ["id"],
                        "properties": {
                            "id": {"type": "integer"},
                            "name": {"type": "string", "maxLength": 80},
                            "next": {"anyOf": [{"$ref": f"#/components/schemas/Thing{n + 1}"}, {"type": "null"}]},
                        },
                    }
                    for n in range(things)
                }
            },
        }
    )


def stored(form: str, document: BaseModel) -> tuple[Any, Any]:
    """A class that holds documents in this `form`, and an object of it."""
    cls: Any = type(document)
    held, mark, value = {
        "inline": (cls, None, document),
        "Chunk()": (cls, Chunk(), document),
        "Chunk() list": (list[cls], Chunk(), [document]),
        "ShardedMap()": (dict[str, cls], ShardedMap(), {"it": document}),
    }[form]
    marks = {} if mark is None else {"held": mark}
    holder: Any = type(
        "Holder", (Model,), {"__annotations__": {"title": str, "held": held}, **marks, "__module__": __name__}
    )
    return holder, holder(title="a document", held=value)


def main() -> int:
    """Print the figures."""
    wrong = 0
    print(f"{'document':24}{'form':14}{'JSON':>9}{'file':>9}{'ratio':>7}{'one field reads':>17}{'of the file':>13}")
    for document in (scene(24), scene(120), description(24), description(120)):
        size = len(document.model_dump_json(by_alias=True, exclude_unset=True))
        for form in FORMS:
            holder, obj = stored(form, document)
            data = dumps(obj)
            assert same(loads(data, holder), obj)
            with Session(data) as session:
                assert session.root(holder).title == obj.title
                read = session.stats.bytes_read
            ratio, part = len(data) / size, read / len(data)
            print(f"{type(document).__name__:24}{form:14}{size:9}{len(data):9}{ratio:7.2f}{read:17}{part:13.1%}")
            wrong += ratio > 3 or part >= 0.1
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
