from pathlib import Path
from tests.moving import World, copy
def test_there_and_back(tmp_path: Path, database_url: str) -> None:
    world = World(tmp_path/"data")
    world.is_all_there(tmp_path/"data")
    m = copy(tmp_path/"data", database_url, world.service)
    world.is_all_there(tmp_path/"data", database_url)
    m = copy(database_url, tmp_path/"data", world.service)
    world.is_all_there(tmp_path/"data")
