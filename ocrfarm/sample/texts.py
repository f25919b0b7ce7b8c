"""The texts of the sample page; Pillow's built-in font has ASCII, the degree sign and plus-minus only."""
# ruff: noqa: RUF001 - Han text has its own commas and brackets

TITLE = "RIVERSIDE PUMPING STATION"
SUBTITLE = "General arrangement of pump set P-101, site plan, parts list and test record"
HAN_SUBTITLE = "河滨泵站 一号机组总布置图、场地平面图与零件明细表"

NOTES = (
    "All dimensions are in millimetres and all levels in metres above the station datum unless stated otherwise.",
    "Do not scale from this sheet. Where a figure and the drawing differ, the figure governs; report the difference "
    "before work goes on.",
    "The contractor shall verify the position of every anchor bolt on site before the base frame is grouted.",
    "Flanges are drilled to EN 1092-1, PN 16; bolt holes straddle the vertical centre line of the pump.",
    "Grout under the base frame with non-shrink mortar, minimum strength 60 N/mm2 after 28 days, minimum thickness "
    "25 mm.",
    "Align the coupling cold to within 0.05 mm parallel and 0.03 mm angular offset; check again when warm.",
    "Suction piping falls evenly towards the pump. No high point is allowed in which air could gather.",
    "Support all piping so that no load reaches the pump nozzles; remove temporary supports after the test.",
    "Hydrostatic test: 1.5 times the design pressure, held for 60 minutes without visible loss.",
    "Bearings are filled with lithium grease, NLGI grade 2: 45 g at the drive end, 38 g at the other end; refill every "
    "4000 running hours.",
    "Vibration on bearing housings shall not exceed 2.8 mm/s r.m.s. at any flow between 70 and 120 percent of duty.",
    "Paint system: blast clean to Sa 2.5, zinc epoxy primer 60 microns, two coats of epoxy 2 x 120 microns, finish "
    "RAL 5015.",
    "Cables enter the terminal box from below; keep 300 mm clear. Earth the motor frame with 70 mm2 copper.",
    "The sump level switch LSL-104 stops the pump at 1.20 m; the high level alarm LAH-105 is set at 4.65 m.",
    "Lifting lugs on the motor carry the motor alone (2150 kg). Never lift the complete set by them.",
    "Keep the area inside the chain line free of other services; overhead crane clearance is 5.80 m.",
    "Noise at 1 m from the machine is below 82 dB(A); wear ear protection while two sets are running.",
    "Spare parts for two years: one set of shaft seals, two bearings of each kind, one coupling insert, six gaskets.",
    "Before the first start fill and vent the casing, turn the shaft by hand and check the direction of rotation.",
    "Read this sheet together with PS7-GA-002 (electrical), PS7-CV-014 (foundations) and PS7-PI-001 (flow diagram).",
)

HAN_NOTES = (
    "一、本图尺寸以毫米计，标高以米计，基准为泵站零点。",
    "二、图中数字与图形不符时，以数字为准，并在施工前报告。",
    "三、地脚螺栓位置须经现场复核后方可进行二次灌浆。",
    "四、法兰按公称压力一点六兆帕加工，螺栓孔跨中布置。",
    "五、灌浆层厚度不小于二十五毫米，养护期不少于七天。",
    "六、联轴器冷态对中误差不得大于 0.05 毫米，运行后复查。",
    "七、吸水管应向水泵方向均匀下降，不得有积气的高点。",
    "八、管道应设独立支架，水泵接口不得承受管道重量。",
    "九、水压试验为设计压力的 1.5 倍，稳压六十分钟无渗漏。",
    "十、轴承采用二号锂基润滑脂，每运行四千小时补充一次。",
    "十一、轴承座振动速度不得超过每秒 2.8 毫米。",
    "十二、集水池水位低于 1.20 米时，水泵应自动停机。",
    "十三、起吊电动机时使用专用吊环，严禁吊装整台机组。",
    "十四、首次启动前应灌水排气，手动盘车并检查转向。",
    "十五、机组周围八百毫米内不得堆放任何物品。",
    "十六、本图应与电气图、基础图及工艺流程图一并使用。",
)

CONDITIONS = (
    "This sheet is the property of the river board and is lent for the work named in the title block only.",
    "Copies made for the site are to be destroyed when a later revision has been received and signed for.",
    "The maker's manuals take precedence over general notes where they ask for more.",
    "Tolerances without indication: linear ISO 2768-m, angular ISO 2768-m, castings ISO 8062 CT 10.",
    "Welds are continuous, throat 4 mm, unless a symbol says otherwise; inspect 10 percent by dye penetrant.",
    "Threads are metric ISO coarse; stainless fasteners are A4-70 and are set with anti-seize paste.",
    "Gaskets contain no asbestos. Rubber parts in contact with the water are EPDM, hardness 70 Shore A.",
    "Steel is S235JR, cast iron EN-GJL-250, bronze CC491K, shaft steel 1.4057, where the list names no other.",
    "Inspection openings stay accessible; covers heavier than 25 kg have two lifting eyes.",
    "The supplier keeps the test record for ten years and hands over a copy with the machine.",
)

LEGEND = (
    ("GV", "Gate valve, hand wheel"),
    ("NRV", "Non-return valve, swing type"),
    ("FE", "Electromagnetic flow meter"),
    ("PI", "Pressure gauge, 0 to 10 bar"),
    ("TT", "Temperature transmitter, Pt100"),
    ("VT", "Vibration sensor, 4 to 20 mA"),
    ("LSL", "Level switch, low"),
    ("LAH", "Level alarm, high"),
    ("EXJ", "Expansion joint, EPDM bellows"),
    ("DR", "Drain, ball valve DN 25"),
    ("AV", "Automatic air valve"),
    ("ST", "Suction strainer, mesh 6 mm"),
)

PARTS = (
    ("Volute casing", "EN-GJL-250"),
    ("Impeller, closed, 5 vanes", "CC491K"),
    ("Pump shaft", "1.4057"),
    ("Casing cover", "EN-GJL-250"),
    ("Wear ring, suction side", "CC491K"),
    ("Wear ring, drive side", "CC491K"),
    ("Shaft sleeve", "1.4571"),
    ("Mechanical seal 75 mm", "SiC / SiC"),
    ("Seal cover", "1.4408"),
    ("Bearing housing", "EN-GJL-200"),
    ("Deep groove ball bearing 6316", "steel"),
    ("Roller bearing NU 316", "steel"),
    ("Bearing cover", "EN-GJL-200"),
    ("Radial shaft seal 80 x 100 x 10", "NBR"),
    ("Impeller nut M48 x 1.5", "1.4571"),
    ("Key 22 x 14 x 110", "C45+C"),
    ("Flexible coupling, size 225", "EN-GJS-400"),
    ("Coupling insert", "polyurethane"),
    ("Coupling guard", "S235JR"),
    ("Motor 315 kW, 1488 rpm", "-"),
    ("Base frame", "S235JR"),
    ("Anchor bolt M30 x 600", "8.8"),
    ("Levelling wedge", "S235JR"),
    ("Suction bend DN 400", "P235GH"),
    ("Taper DN 400 / 350", "P235GH"),
    ("Gate valve DN 300", "EN-GJS-500"),
    ("Swing check valve DN 300", "EN-GJS-500"),
    ("Expansion joint DN 300", "EPDM"),
    ("Flow meter DN 300", "1.4301"),
    ("Pressure gauge, 100 mm", "1.4571"),
    ("Hexagon bolt M24 x 110", "8.8"),
    ("Flange gasket DN 300", "EPDM"),
    ("Pipe support, sliding", "S235JR"),
    ("Air valve DN 50", "PE / brass"),
)

HAN_PARTS = (
    ("泵体", "灰铸铁"),
    ("叶轮", "青铜"),
    ("泵轴", "不锈钢"),
    ("机械密封", "碳化硅"),
    ("轴承箱", "灰铸铁"),
    ("联轴器", "球墨铸铁"),
    ("电动机", "三百一十五千瓦"),
    ("底座", "碳素钢"),
    ("闸阀", "球墨铸铁"),
    ("止回阀", "球墨铸铁"),
)

LINES = ("Suction", "Delivery", "By-pass", "Seal water", "Drain", "Cooling", "Vent", "Sample")

STREETS = ("MILL LANE", "WEIR ROAD", "STATION ROAD", "OLD FERRY WAY")

BUILDINGS = ("PUMP HOUSE", "SCREENS", "STORE", "TRANSFORMER", "WORKSHOP", "OFFICE")

HAN_BUILDINGS = ("泵房", "格栅间", "仓库", "变压器", "检修间", "办公室")

REVISIONS = (
    ("A", "First issue for comment", "12.02.2024", "KL"),
    ("B", "Check valve moved, DN 300 confirmed", "03.04.2024", "KL"),
    ("C", "Motor 315 kW, anchor bolts M30", "21.05.2024", "ST"),
    ("D", "Issued for construction", "17.06.2024", "ST"),
)

TITLE_BLOCK = (
    ("Client", "River Board, Division 7"),
    ("Project", "Renewal of pumping station No. 7"),
    ("Drawn", "K. Lindqvist   12.02.2024"),
    ("Checked", "S. Tanaka   17.06.2024"),
    ("Approved", "M. Oduya   24.06.2024"),
    ("Scale", "1:20 / 1:500   Sheet 1 of 3"),
)
