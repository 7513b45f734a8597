"""Small tables of a user: a graph, and samples of domains that are linked."""

NODES = """id,label,age,income
ann,cat,1.5,-2
bob,dog,0,1e3
cid,,3,4
dan,dog,5,6
"""
EDGES = "source,target,weight\nann,bob,2\nbob,cid,1\ncid,dan,0.5\n"
SAMPLES = """domain,label,a,b
north,cat,1,2
south,dog,3,4.5
north,dog,-5,6
west,,7,8
"""
LINKS = "source,target,weight\nnorth,south,1\nsouth,west,0.5\n"
